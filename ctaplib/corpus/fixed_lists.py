"""Choose what is synthesised and converted: prompts, sources and reference utterances, as fixed lists for a recipe.

`vc_pairs.tsv` (id set source_utt target_spk prompt_utt cross_sex), `references.tsv` (set spk utt1 utt2 utt3: natural
utterances that are neither prompts nor sources) and `tts.tsv` (id set text_utt spk prompt_utt). They are made once and kept
in git.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ctaplib.corpus.datadir import c_sorted
from ctaplib.errors import DataError
from ctaplib.files import write_tsv

VC_FIELDS = ("id", "set", "source_utt", "target_spk", "prompt_utt", "cross_sex")
TTS_FIELDS = ("id", "set", "text_utt", "spk", "prompt_utt")


def ordered_pairs(genders: Mapping[str, str], cross_sex: bool, rng: random.Random) -> list[tuple[str, str]]:
    """All ordered pairs of different speakers of unlike (or like) sex, shuffled."""
    speakers = c_sorted(genders)
    pairs = [(a, b) for a in speakers for b in speakers if a != b and (genders[a] != genders[b]) == cross_sex]
    rng.shuffle(pairs)
    return pairs


@dataclass(frozen=True)
class Parts:
    """What each speaker's utterances are for."""

    sources: dict[str, list[str]]
    prompts: dict[str, list[str]]
    references: dict[str, list[str]]


def part_utterances(utts: Mapping[str, Sequence[str]], references: int) -> Parts:
    """Set aside the last `references` of each speaker's utterances, and a quarter of the others (at least one) as prompts.

    Raises:
        DataError: a speaker has too few.
    """
    poor = [spk for spk in c_sorted(utts) if len(utts[spk]) < references + 2]
    if poor:
        raise DataError(f"too few utterances of {' '.join(poor)}", expected=f"at least {references + 2} a speaker")
    own = {spk: list(found)[:-references] for spk, found in utts.items()}
    prompts = {spk: found[-max(1, len(found) // 4) :] for spk, found in own.items()}
    sources = {spk: found[: -len(prompts[spk])] for spk, found in own.items()}
    return Parts(sources, prompts, {spk: list(found)[-references:] for spk, found in utts.items()})


def _conversions(parts: Parts, genders: Mapping[str, str], pairs: int, rng: random.Random) -> list[dict[str, str]]:
    """Choose conversions, cross-sex ones first."""
    rows: list[dict[str, str]] = []
    for cross in (True, False):
        ordered = ordered_pairs(genders, cross, rng)
        if not ordered:
            raise DataError(f"no pairs of {'unlike' if cross else 'like'} sex", expected="at least two women and two men")
        for k in range(pairs // 2):
            source, target = ordered[k % len(ordered)]
            utt, prompt = rng.choice(parts.sources[source]), rng.choice(parts.prompts[target])
            name = f"{utt}-to-{target}-{len(rows) + 1:03d}"
            rows.append(
                {"id": name, "source_utt": utt, "target_spk": target, "prompt_utt": prompt, "cross_sex": "yes" if cross else "no"}
            )
    return rows


def write_task_lists(
    folder: str | Path,
    sets: Sequence[str],
    utts: Mapping[str, Sequence[str]],
    genders: Mapping[str, str],
    *,
    pairs: int,
    tts: int,
    references: int = 3,
    seed: int = 1,
) -> None:
    """Write the three lists.

    Args:
        folder: where the lists go.
        sets: the sets that the utterances are in (a corpus and its subset); each gets the same rows.
        utts: utterances of each speaker; the last ones become references and prompts, the first ones sources and texts.
        genders: `m` or `f` for each speaker.
        pairs: number of conversions; half of them cross-sex.
        tts: number of sentences to synthesise, each with a prompt of the speaker who said it.
        references: natural utterances that stand for a speaker.
        seed: seed of the choice.

    Raises:
        DataError: a speaker has too few utterances, or one sex is missing.
    """
    rng, speakers = random.Random(seed), c_sorted(utts)
    parts = part_utterances(utts, references)
    converted = _conversions(parts, genders, pairs, rng)
    named = [{"spk": spk, **{f"utt{i + 1}": u for i, u in enumerate(parts.references[spk])}} for spk in speakers]
    said = []
    for k in range(tts):
        spk = speakers[k % len(speakers)]
        utt = parts.sources[spk][(k // len(speakers)) % len(parts.sources[spk])]
        said.append({"id": f"{utt}-tts", "text_utt": utt, "spk": spk, "prompt_utt": rng.choice(parts.prompts[spk])})
    for name, rows, fields in (
        ("vc_pairs.tsv", converted, VC_FIELDS),
        ("references.tsv", named, ("set", "spk", *(f"utt{i + 1}" for i in range(references)))),
        ("tts.tsv", said, TTS_FIELDS),
    ):
        write_tsv(Path(folder) / name, [{**row, "set": part} for part in sets for row in rows], fields)
