"""Choose what is synthesised and converted: prompts, sources and reference utterances, as fixed lists for a recipe.

`vc_pairs.tsv` (id set source_utt target_spk prompt_utt cross_sex), `references.tsv` (set spk utt1 utt2 utt3: natural
utterances that are neither prompts nor sources) and `tts.tsv` (id set text_utt spk prompt_utt). They are made once and kept
in git.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from ctaplib.data.datadir import c_sorted
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


def write_task_lists(
    folder: str | Path, sets: Sequence[str], utts: Mapping[str, Sequence[str]], genders: Mapping[str, str],
    *, pairs: int, tts: int, references: int = 3, seed: int = 1,
) -> None:  # fmt: skip
    """Write the three lists.

    Of each speaker's utterances the last `references` are references, a quarter of the others (at least one) are
    prompts, the remaining ones are sources and texts.

    Args:
        folder: where the lists go.
        sets: the sets that the utterances are in (a corpus and its subset); each gets the same rows.
        utts: utterances of each speaker.
        genders: `m` or `f` for each speaker.
        pairs: number of conversions; half of them cross-sex.
        tts: number of sentences to synthesise, each with a prompt of the speaker who said it.
        references: natural utterances that stand for a speaker.
        seed: seed of the choice.

    Raises:
        DataError: a speaker has too few utterances, or one sex is missing.
    """
    rng = random.Random(seed)
    speakers = c_sorted(utts)
    poor = [spk for spk in speakers if len(utts[spk]) < references + 2]
    if poor:
        raise DataError(f"{sets[0]}: too few utterances of {' '.join(poor)}", expected=f"at least {references + 2} a speaker")
    own = {spk: list(utts[spk])[:-references] for spk in speakers}
    prompts = {spk: own[spk][-max(1, len(own[spk]) // 4) :] for spk in speakers}
    sources = {spk: own[spk][: -len(prompts[spk])] for spk in speakers}
    rows = []
    for cross in (True, False):
        ordered = ordered_pairs(genders, cross, rng)
        if not ordered:
            raise DataError(
                f"{sets[0]}: no pairs of {'unlike' if cross else 'like'} sex", expected="at least two women and two men"
            )
        for k in range(pairs // 2):
            source, target = ordered[k % len(ordered)]
            rows.append((source, rng.choice(sources[source]), target, rng.choice(prompts[target]), cross))
    write_tsv(
        Path(folder) / "vc_pairs.tsv",
        [
            {"id": f"{utt}-to-{target}-{k:03d}", "set": name, "source_utt": utt, "target_spk": target, "prompt_utt": prompt,
             "cross_sex": "yes" if cross else "no"}
            for name in sets
            for k, (_, utt, target, prompt, cross) in enumerate(rows, 1)
        ],
        VC_FIELDS,
    )  # fmt: skip
    fields = ["set", "spk", *(f"utt{i + 1}" for i in range(references))]
    last = {spk: list(utts[spk])[-references:] for spk in speakers}
    write_tsv(
        Path(folder) / "references.tsv",
        [{"set": name, "spk": spk, **{f"utt{i + 1}": u for i, u in enumerate(last[spk])}} for name in sets for spk in speakers],
        fields,
    )  # fmt: skip
    said = []
    for k in range(tts):
        spk = speakers[k % len(speakers)]
        text_utt = sources[spk][(k // len(speakers)) % len(sources[spk])]
        said.append({"id": f"{text_utt}-tts", "text_utt": text_utt, "spk": spk, "prompt_utt": rng.choice(prompts[spk])})
    write_tsv(Path(folder) / "tts.tsv", [{**row, "set": name} for name in sets for row in said], TTS_FIELDS)
