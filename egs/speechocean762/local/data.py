#!/usr/bin/env python3
"""Make data directories from speechocean762 in its own layout (OpenSLR 101): `WAVE/ train/ test/ resource/`.

The sets are the corpus's own; `dev` is made of 7 training speakers (lists/dev_speakers.txt). With `--subset 100spk` only the
speakers of lists/speakers_100spk.txt are taken, and the sets carry that name. Phones are the canonical ones of
`resource/text-phone`, with stress: a vowel without a digit gets 0, and secondary stress (a handful) is written as primary.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ctaplib.corpus.build import named_folder
from ctaplib.corpus.datadir import DataDir, write_datadir
from ctaplib.corpus.validate import inspect_all
from ctaplib.errors import CtapError, DataError
from ctaplib.files import atomic_write, read_table, write_tsv
from ctaplib.phones import strip_position

RECIPE = Path(__file__).resolve().parent.parent
RATE_HZ = 16000
ABOUT_PART = "the audio of this part of the corpus was kept as Opus of about 39 kbit/s, and unpacked from it"
VOWELS = frozenset("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split())
FETCH = "give --corpus_dir DIR, or fetch it with ./run.sh --stage -1 --stop_stage -1"


def check_layout(corpus: Path) -> None:
    """Make sure that the folder is the corpus."""
    needed = ["WAVE", "resource/text-phone"]
    needed += [f"{part}/{name}" for part in ("train", "test") for name in ("wav.scp", "text", "utt2spk", "spk2gender")]
    missing = [name for name in needed if not (corpus / name).exists()]
    if missing:
        raise DataError(
            f"{corpus} is not speechocean762: it lacks {' '.join(missing)}", expected="the unpacked corpus of OpenSLR 101",
            fix=FETCH,
        )  # fmt: skip


def phone(symbol: str) -> str:
    """Canonical phone without position tag, with stress 0 or 1 on vowels."""
    bare = strip_position(symbol)
    if bare in VOWELS:
        return bare + "0"
    return bare[:-1] + "1" if bare.endswith("2") else bare


def read_phones(path: Path) -> dict[str, list[list[str]]]:
    """Phones of each word of each utterance."""
    words: dict[str, dict[int, list[str]]] = {}
    for key, value in read_table(path).items():
        utt, _, number = key.rpartition(".")
        words.setdefault(utt, {})[int(number)] = [phone(symbol) for symbol in value.split()]
    return {utt: [own[i] for i in sorted(own)] for utt, own in words.items()}


def read_part(corpus: Path, part: str, speakers: set[str] | None, nj: int) -> tuple[DataDir, dict[str, str]]:
    """Read `train` or `test`; give its tables and the reason of every utterance that is left out."""
    folder = corpus / part
    utt2spk = {u: s for u, s in read_table(folder / "utt2spk").items() if speakers is None or s in speakers}
    text, phones = read_table(folder / "text"), read_phones(corpus / "resource" / "text-phone")
    wavs = {u: str((corpus / v).resolve()) for u, v in read_table(folder / "wav.scp").items() if u in utt2spk}
    infos = inspect_all(wavs, RATE_HZ, nj)
    reasons: dict[str, str] = {}
    for utt in utt2spk:
        faults = [f for f in infos[utt].faults if f.fatal or f.kind == "wrong_rate"] if utt in infos else []
        if utt not in wavs:
            reasons[utt] = "no line in wav.scp"
        elif faults:
            reasons[utt] = f"{wavs[utt]}: {faults[0].message}"
        elif not text.get(utt):
            reasons[utt] = "empty text"
        elif len(phones.get(utt, [])) != len(text[utt].split()):
            reasons[utt] = f"{len(text[utt].split())} words, but phones of {len(phones.get(utt, []))}"
    kept = {utt: spk for utt, spk in utt2spk.items() if utt not in reasons}
    genders = read_table(folder / "spk2gender")
    data = DataDir(
        wavs={u: wavs[u] for u in kept},
        utts={
            "utt2spk": kept,
            "text": {u: text[u].lower() for u in kept},
            "text.phn": {u: " ".join(p for word in phones[u] for p in word) for u in kept},
            "phn2word": {u: " ".join(str(i) for i, word in enumerate(phones[u]) for _ in word) for u in kept},
            "utt2dur": {u: f"{infos[u].duration_s:.4f}" for u in kept},
            "utt2lang": dict.fromkeys(kept, "en"),
        },
        spks={"spk2gender": {spk: genders[spk] for spk in set(kept.values())}},
    )
    return data, reasons


def read_list(name: str) -> set[str]:
    """Read one of the fixed lists of speakers."""
    return set((RECIPE / "lists" / name).read_text(encoding="utf-8").split())


def make(corpus: Path, target: Path, subset: str, nj: int) -> None:
    """Write all data directories."""
    from ctaplib.corpus.datadir import subset_by_speakers

    check_layout(corpus)
    chosen = read_list(f"speakers_{subset}.txt") if subset else None
    suffix = f"_{subset}" if subset else ""
    everyone = {spk for part in ("train", "test") for spk in read_table(corpus / part / "utt2spk").values()}
    is_part = chosen is not None and everyone == chosen  # not a subset of the whole corpus, whose audio is the original
    dev = read_list("dev_speakers.txt")
    train, train_reasons = read_part(corpus, "train", chosen, nj)
    test, test_reasons = read_part(corpus, "test", chosen, nj)
    missing = sorted((chosen or set()) - set(train.speakers) - set(test.speakers))
    if missing:
        raise DataError(f"{corpus} lacks speakers of the subset: {' '.join(missing)}", fix="take the whole corpus")
    sets = {
        "train": (subset_by_speakers(train, set(train.speakers) - dev), train_reasons),
        "dev": (subset_by_speakers(train, dev), {}),
        "test": (test, test_reasons),
    }
    for name, (data, reasons) in sets.items():
        folder = target / f"{name}{suffix}"
        write_datadir(data, folder)
        if is_part:
            with atomic_write(folder / "about") as out:
                out.write(ABOUT_PART + "\n")
        write_tsv(folder / "dropped.tsv", [{"utt": u, "reason": r} for u, r in sorted(reasons.items())], ("utt", "reason"))
        minutes = sum(map(float, data.utts["utt2dur"].values())) / 60
        held = f"{len(data.utt_ids)} utterances of {len(data.speakers)} speakers, {minutes:.1f} minutes"
        print(f"{folder.name}: {held}; {len(reasons)} dropped")


def main() -> int:
    """Read the options and make the data directories."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus_dir", default="", help="the unpacked corpus")
    parser.add_argument("--subset", choices=("", "100spk"), default="")
    parser.add_argument("--data", type=Path, default=RECIPE / "data")
    parser.add_argument("--nj", type=int, default=2)
    args = parser.parse_args()
    try:
        make(named_folder(args.corpus_dir, "the unpacked corpus of OpenSLR 101", FETCH), args.data, args.subset, args.nj)
    except CtapError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
