#!/usr/bin/env python3
"""Write the fixed lists of the mini corpus: who speaks (voices*.tsv), and what is converted and synthesised.

The lists are kept in git; this script says where they come from. Run it from egs/mini after changing a plan.
"""

import random
from dataclasses import dataclass
from pathlib import Path

from ctaplib.corpus.lists import write_task_lists
from ctaplib.files import write_tsv
from ctaplib.synthetic.engine import Job
from ctaplib.synthetic.labels import Labels, label
from ctaplib.synthetic.languages import Language, language
from ctaplib.synthetic.speak_corpus import PLAN_FIELDS, PlanRow, make_jobs, read_plan
from ctaplib.synthetic.speaking import Speech, speak_all
from ctaplib.synthetic.variants import draw_variant

LISTS = Path(__file__).resolve().parent.parent / "lists"
ENGLISH = ("en", "en-us", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029")
MANDARIN = ("cmn",)

# Chosen by ear and by measurement: voiced, with a measurable F0, pairwise cosine of Resemblyzer embeddings below 0.8.
UNSEEN = {"linda": "f", "f1": "f", "shelby": "f", "Andrea": "f", "Nguyen": "m", "quincy": "m", "Reed": "m", "m3": "m"}
DEV = {"aunty": "f", "f5": "f", "m6": "m", "benjamin": "m"}
# Whispers, heavy echo, unstable pitch: speech without text only.
ODD = {
    "whisper": "m", "whisperf": "f", "caleb": "m", "klatt": "m", "klatt2": "m", "Marco": "m", "RicishayMax": "m",
    "RicishayMax2": "m", "robosoft6": "m", "robosoft8": "m", "UniRobot": "m", "Demonic": "m", "kaukovalta": "m",
    "anikaRobot": "f", "iven": "m",
}  # fmt: skip
WOMEN = "Alicia Annie anika belinda f2 f3 f4 grandma steph steph2 steph3 zac".split()
MEN = """Alex Andy AnxiousAndy Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Mario Michael Mike RicishayMax3 Storm Tweaky adam
    announcer antonio boris croak david ed edward edward2 fast grandpa gustave ian iven2 iven3 iven4 john klatt3 klatt4
    klatt5 klatt6 m1 m2 m4 m5 m7 m8 marcelo max michel miguel mike2 norbert pablo paul pedro rob robert robosoft robosoft2
    robosoft3 robosoft4 robosoft5 robosoft7 sandro travis victor""".split()
# The engine has few women, and conversion to an unheard woman needs many: these variants are drawn by us.
DRAWN = {**{f"woman{i:02d}": "f" for i in range(1, 41)}, **{f"man{i:02d}": "m" for i in range(1, 13)}}


def plan_rows(accents: tuple[str, ...], sizes: dict[str, int], keep: dict[str, int], seed: int) -> list[dict[str, object]]:
    """Plan the voices: accent, pitch, rate, and number of sentences in each set.

    Args:
        accents: Language files of the engine.
        sizes: Sentences of each voice in each set; the engine has few women, so each reads more in training.
        keep: Number of voices of each set; `drawn` are added to those of `train`.
        seed: Seed of accents, pitches and rates.
    """
    rng = random.Random(seed)
    train = {**dict.fromkeys(WOMEN, "f"), **dict.fromkeys(MEN, "m")}
    order = sorted(train)
    rng.shuffle(order)
    women_first = sorted(order, key=lambda v: train[v] != "f")
    chosen = women_first[: keep["women"]] + [v for v in order if train[v] == "m"][: keep["train"] - keep["women"]]
    drawn = _first(DRAWN, keep["drawn"])
    groups = {
        "train": {v: train[v] for v in chosen} | drawn,
        "dev": _first(DEV, keep["dev"]),
        "train_speech": _first(ODD, keep["train_speech"]),
    }
    groups["test_unseen"] = UNSEEN
    rows, seen = [], []
    for name, voices in groups.items():
        for index, (variant, gender) in enumerate(voices.items()):
            spread = 14 if name == "train" else 4
            count = sizes["train_women" if name == "train" and gender == "f" else name]
            row = {
                "set": name, "speaker": variant, "variant": variant, "accent": accents[index % len(accents)], "gender": gender,
                "pitch": 50 + rng.randint(-spread, spread), "rate_wpm": rng.randint(150, 180), "utts": count,
            }  # fmt: skip
            rows.append(row)
            known = name == "train" and variant not in drawn and not variant.startswith(("robosoft", "iven", "Ricishay"))
            if known and len(seen) < keep["test_seen"]:
                seen.append({**row, "set": "test_seen", "utts": sizes["test_seen"]})
    return rows + seen


def _first(voices: dict[str, str], count: int) -> dict[str, str]:
    """Take voices from both ends in turn, so that both sexes are there."""
    names = list(voices)
    mixed = [names[i // 2] if i % 2 == 0 else names[-1 - i // 2] for i in range(len(names))]
    return {v: voices[v] for v in mixed[:count]}


FULL = {"train": 12, "train_women": 13, "dev": 15, "train_speech": 17, "test_unseen": 20, "test_seen": 4}
TINY = {"train": 5, "train_women": 5, "dev": 3, "train_speech": 3, "test_unseen": 6, "test_seen": 2}
ALL_VOICES = {"train": 75, "women": 12, "drawn": 52, "dev": 4, "train_speech": 15, "test_seen": 40}
FEW_VOICES = {"train": 8, "women": 4, "drawn": 2, "dev": 2, "train_speech": 2, "test_seen": 4}
PLANS = {
    ("en", ""): (ENGLISH, FULL, ALL_VOICES),
    ("en", "tiny"): (ENGLISH, TINY, FEW_VOICES),
    ("zh", "zh"): (MANDARIN, FULL, ALL_VOICES),
    ("zh", "zh/tiny"): (MANDARIN, TINY, FEW_VOICES),
}


@dataclass(frozen=True)
class Label:
    """Returns the labels of an utterance, not its audio."""

    language: Language

    def __call__(self, job: Job, speech: Speech) -> Labels:
        """See the class."""
        return label(job, speech, self.language.rename)


def unseen_utts(rows: list[PlanRow], code: str) -> dict[str, list[str]]:
    """Return the utterances of each unseen voice in the corpus (some Mandarin ones are left out, which speaking them shows)."""
    spoken = language(code)
    wanted = [(row, job, text) for row, job, text in make_jobs(rows, spoken, seed=1) if row.set == "test_unseen"]
    out: dict[str, list[str]] = {}
    labels = speak_all([job for _, job, _ in wanted], Label(spoken), nj=2)
    for (row, job, text), item in zip(wanted, labels, strict=True):
        if not isinstance(spoken.relabel(text, item), str):
            out.setdefault(row.speaker, []).append(job.utt)
    return out


def main() -> None:
    """Write all lists."""
    rng = random.Random(1)
    variants = [{"variant": v, "gender": g, "definition": draw_variant(g, rng)} for v, g in DRAWN.items()]
    write_tsv(LISTS / "variants.tsv", variants, ("variant", "gender", "definition"))
    for (code, folder), (accents, sizes, keep) in PLANS.items():
        path = LISTS / folder / "voices.tsv"
        write_tsv(path, plan_rows(accents, sizes, keep, seed=1), PLAN_FIELDS)
        rows = read_plan(path)
        genders = {row.speaker: row.gender for row in rows if row.set == "test_unseen"}
        counts = {"pairs": 112, "tts": 48} if sizes is FULL else {"pairs": 16, "tts": 8}
        write_task_lists(LISTS / folder, ["test_unseen"], unseen_utts(rows, code), genders, **counts)


if __name__ == "__main__":
    main()
