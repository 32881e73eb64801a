"""What is converted and synthesised in a corpus of one's own, as fixed lists: as much of it as its speakers allow.

The lists have the form of `fixed_lists`. Conversions need two speakers; they go across the sexes as often as within them where
both are known, else between any two.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from ctaplib.corpus.datadir import c_sorted
from ctaplib.corpus.fixed_lists import TTS_FIELDS, VC_FIELDS, Parts, ordered_pairs, part_utterances
from ctaplib.errors import DataError
from ctaplib.files import write_tsv

REFERENCES = 3
PAIRS = 200
"""Most conversions."""
SENTENCES = 100
"""Most sentences that are spoken."""


def write_own_lists(
    folder: Path, set_: str, utts: Mapping[str, Sequence[str]], genders: Mapping[str, str], seed: int = 1
) -> dict[str, int]:
    """Write `vc_pairs.tsv`, `references.tsv` and `tts.tsv` for a test set.

    Args:
        folder: where they go.
        set_: name of the test set.
        utts: its utterances by speaker.
        genders: `m` or `f` by speaker, as far as known.
        seed: seed of the choice.

    Returns:
        The number of rows of each list.

    Raises:
        DataError: no speaker has enough utterances for a prompt, three references and something to say.
    """
    least = REFERENCES + 2
    rich = {spk: list(own) for spk, own in utts.items() if len(own) >= least}
    if not rich:
        raise DataError(f"no speaker of {set_} has {least} utterances", expected="a prompt, references and something to say")
    parts, rng = part_utterances(rich, REFERENCES), random.Random(seed)
    lists: dict[str, tuple[list[dict[str, str]], Sequence[str]]] = {
        "vc_pairs.tsv": (_pairs(parts, {spk: genders.get(spk, "") for spk in rich}, set_, rng), VC_FIELDS),
        "references.tsv": (
            [
                {"set": set_, "spk": spk, **{f"utt{k}": u for k, u in enumerate(parts.references[spk], 1)}}
                for spk in c_sorted(rich)
            ],
            ("set", "spk", *(f"utt{k}" for k in range(1, REFERENCES + 1))),
        ),
        "tts.tsv": (_sentences(parts, set_, rng), TTS_FIELDS),
    }
    for name, (rows, fields) in lists.items():
        write_tsv(folder / name, rows, fields)
    return {name: len(rows) for name, (rows, _) in lists.items()}


def _pairs(parts: Parts, genders: Mapping[str, str], set_: str, rng: random.Random) -> list[dict[str, str]]:
    across, within = (ordered_pairs(genders, cross_sex, rng) for cross_sex in (True, False))
    wanted = min(PAIRS, 10 * (len(across) + len(within)))
    rows: list[dict[str, str]] = []
    for turn in range(wanted):
        pairs = (across, within)[turn % 2] or across or within
        source, target = pairs[turn // 2 % len(pairs)]
        utt, prompt = rng.choice(parts.sources[source]), rng.choice(parts.prompts[target])
        cross = "yes" if genders[source] != genders[target] and genders[source] and genders[target] else "no"
        name = f"{utt}-to-{target}-{turn + 1:03d}"
        rows.append({"id": name, "set": set_, "source_utt": utt, "target_spk": target, "prompt_utt": prompt, "cross_sex": cross})
    return rows


def _sentences(parts: Parts, set_: str, rng: random.Random) -> list[dict[str, str]]:
    """Every speaker's own sentences in turn, each once, with a prompt of that speaker."""
    speakers, longest = c_sorted(parts.sources), max(map(len, parts.sources.values()))
    order = [(spk, own[k]) for k in range(longest) for spk in speakers if k < len(own := parts.sources[spk])]
    return [
        {"id": f"{utt}-tts", "set": set_, "text_utt": utt, "spk": spk, "prompt_utt": rng.choice(parts.prompts[spk])}
        for spk, utt in order[:SENTENCES]
    ]
