"""Split a list into shards as Kaldi's split_scp.pl does: equal numbers of lines, or whole speakers of about equal size."""

from collections.abc import Sequence


def deal_evenly(count: int, parts: int) -> list[range]:
    """Split `count` consecutive numbers into `parts` ranges of equal size; the first ones take the remainder."""
    each, more = divmod(count, parts)
    edges = [each * part + min(part, more) for part in range(parts + 1)]
    return [range(start, end) for start, end in zip(edges, edges[1:])]


def deal_groups(sizes: Sequence[int], parts: int) -> list[list[int]]:
    """Split groups of these sizes (utterances of a speaker) into parts, none empty; return the indices of each part's groups.

    Parts get equal numbers of consecutive groups, which are then evened out by size: a part hands its last group to the next one,
    or its first to the one before, as long as their sizes come nearer. There must be as many groups as parts.
    """
    shares: list[list[int]] = [[] for _ in range(parts)]
    for group in range(len(sizes)):
        shares[group * parts // len(sizes)].append(group)
    totals = [sum(sizes[group] for group in share) for share in shares]

    def hand_over(giver: int, taker: int, which: int) -> bool:
        size = sizes[shares[giver][which]]
        if abs(totals[taker] + size - (totals[giver] - size)) >= abs(totals[taker] - totals[giver]):
            return False
        shares[taker].insert(0 if which else len(shares[taker]), shares[giver].pop(which))
        totals[taker] += size
        totals[giver] -= size
        return True

    changed = True
    while changed:
        changed = False
        for part in range(parts):
            if part + 1 < parts:
                changed |= hand_over(part, part + 1, -1)
            if part > 0:
                changed |= hand_over(part, part - 1, 0)
    return shares
