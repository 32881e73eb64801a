"""Split a corpus into train, dev and test by a rule and a seed, and keep the split as lists.

The rule: of six speakers or more, a tenth (at least two, women and men in turn where that is known) are the test set and in no
other set; of fewer speakers, a tenth of the utterances (8 to 500). Dev is a twentieth of the other utterances (4 to 250).
Utterances are drawn in the order of a hash of seed and text; those of one text stay together.
"""

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from ctaplib.config import Config
from ctaplib.corpus.datadir import c_sorted
from ctaplib.errors import DataError
from ctaplib.files import atomic_write

SEVERAL = 6
"""Minimum number of speakers for a speaker-disjoint test set."""


class SplitConfig(Config):
    """Sizes of dev and test."""

    test_pct: float = 10.0
    """Share of speakers, or of utterances, in the test set, %."""
    test_utts: tuple[int, int] = (8, 500)
    """Least and most utterances of the test set, where it is not made of whole speakers."""
    dev_pct: float = 5.0
    """Share of the other utterances in the dev set, %."""
    dev_utts: tuple[int, int] = (4, 250)
    """Least and most utterances of the dev set."""
    seed: int = 1
    """Seed of the draw."""


@dataclass(frozen=True)
class Split:
    """Utterances of each set, in LC_ALL=C order."""

    train: tuple[str, ...]
    dev: tuple[str, ...]
    test: tuple[str, ...]


def _draw(utts: Sequence[str], texts: Mapping[str, str], share_pct: float, limits: tuple[int, int], seed: int) -> set[str]:
    """Draw some utterances, with all that have the same text."""

    def rank(utt: str) -> tuple[bytes, str]:
        return hashlib.sha256(f"{seed} {texts.get(utt) or utt}".lower().encode()).digest(), utt

    order = sorted(utts, key=rank)
    count = min(max(round(len(order) * share_pct / 100), limits[0]), limits[1])
    while 0 < count < len(order) and rank(order[count])[0] == rank(order[count - 1])[0]:
        count += 1
    return set(order[:count])


def _test_speakers(speakers: Sequence[str], genders: Mapping[str, str], config: SplitConfig) -> set[str]:
    order = c_sorted(speakers)
    random.Random(config.seed).shuffle(order)
    groups = [[spk for spk in order if genders.get(spk) == sex] for sex in "fm"]
    if all(groups):
        turns = [spk for pair in zip_longest(*groups) for spk in pair if spk is not None]
        order = turns + [spk for spk in order if spk not in turns]
    return set(order[: max(2, round(len(order) * config.test_pct / 100))])


def cut_dev(utts: Sequence[str], texts: Mapping[str, str], config: SplitConfig) -> list[str]:
    """Draw a dev set from the utterances of the training set, by the rule."""
    return c_sorted(_draw(utts, texts, config.dev_pct, config.dev_utts, config.seed + 1))


def split_by_rule(utt2spk: Mapping[str, str], texts: Mapping[str, str], genders: Mapping[str, str], config: SplitConfig) -> Split:
    """Split by the rule of this module; raise DataError where there are too few utterances."""
    utts, speakers = c_sorted(utt2spk), sorted(set(utt2spk.values()))
    least = 3 * config.test_utts[0]
    if len(utts) < least:
        fix = "record more, or put all into one set with --set"
        raise DataError(f"{len(utts)} utterances", expected=f"at least {least} for train, dev and test", fix=fix)
    if len(speakers) >= SEVERAL:
        chosen = _test_speakers(speakers, genders, config)
        test = {utt for utt in utts if utt2spk[utt] in chosen}
    else:
        test = _draw(utts, texts, config.test_pct, config.test_utts, config.seed)
    rest = [utt for utt in utts if utt not in test]
    dev = cut_dev(rest, texts, config)
    train = tuple(utt for utt in rest if utt not in set(dev))
    if not train:
        raise DataError(f"{len(utts)} utterances, {len(test)} for test and {len(dev)} for dev: nothing is left to train on")
    return Split(train, tuple(dev), tuple(c_sorted(test)))


def write_split(folder: Path, split: Split) -> None:
    """Write `dev.txt` and `test.txt`, one utterance a line."""
    for name in ("dev", "test"):
        with atomic_write(folder / f"{name}.txt") as out:
            out.writelines(f"{utt}\n" for utt in getattr(split, name))


def read_split(folder: Path, utts: Sequence[str]) -> Split | None:
    """Read the lists, if they exist; what they do not name is for training.

    Raises DataError where only one exists, one names an utterance that the corpus lacks, or both name the same.
    """
    paths = {name: folder / f"{name}.txt" for name in ("dev", "test")}
    there = [name for name, path in paths.items() if path.exists()]
    if not there:
        return None
    if len(there) == 1:
        raise DataError(f"{paths[there[0]]} is there, the other list is not", expected="dev.txt and test.txt", fix="restore it")
    named = {name: paths[name].read_text(encoding="utf-8-sig").split() for name in paths}
    known, faults = set(utts), []
    for name, listed in named.items():
        faults += [f"{paths[name]}: {utt} is not in the corpus, or was left out" for utt in listed if utt not in known]
    faults += [f"{utt} is in dev.txt and in test.txt" for utt in sorted(set(named["dev"]) & set(named["test"]))]
    if faults:
        fix = f"restore what is missing, correct the lists, or remove those in {folder} to have them made anew"
        raise DataError(f"the lists in {folder} do not fit the corpus", faults, fix=fix)
    out = {*named["dev"], *named["test"]}
    return Split(tuple(utt for utt in c_sorted(utts) if utt not in out), tuple(named["dev"]), tuple(named["test"]))
