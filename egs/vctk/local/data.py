#!/usr/bin/env python3
"""Make data directories from VCTK: release 0.92 (`wav48_silence_trimmed`, FLAC) or 0.80 (`wav48`, WAV).

Sets are `tr_no_dev dev eval1`, as ESPnet calls them, by one of two splits (lists/<split>.yaml): `vqmivc` has 20 unseen speakers
in eval1, `espnet` has unseen sentences of seen speakers there. Audio without text (p315) becomes the set `tr_speech`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from make_lists import read_in
from make_lists import write as write_lists
from pydantic import Field

from ctaplib.config import Config, load_config
from ctaplib.corpus.build import (
    MAX_DROPPED_PCT,
    Item,
    Seen,
    check_complete,
    check_filled,
    check_lists,
    check_unique,
    check_usable,
    files_in,
    look_at_all,
    make_set,
    named_folder,
    read_rows,
    write_set,
)  # fmt: skip
from ctaplib.corpus.datadir import c_sorted
from ctaplib.errors import CtapError, DataError, shortened
from ctaplib.files import read_table, read_tsv

RECIPE = Path(__file__).resolve().parent.parent
RATE_HZ = 48000
RELEASES = {"0.92": "wav48_silence_trimmed", "0.80": "wav48"}
WITHOUT_TEXT = ("p315",)
WITHOUT_MIC2 = ("p280", "p315")
LAYOUT = "the folder with txt, speaker-info.txt and wav48_silence_trimmed (release 0.92) or wav48 (0.80)"
FETCH = "give --corpus_dir DIR, or fetch it with ./run.sh --stage -1 --stop_stage -1"


class Split(Config):
    """Which utterances are for what; a file of lists/."""

    unseen: tuple[str, ...] = ()
    """Speakers all of whose utterances are the test set."""
    leave_out: tuple[str, ...] = ()
    """Speakers that no set takes."""
    dev_share: float = Field(default=0.0, ge=0, le=0.5)
    """Share of each other speaker's utterances that is the dev set: every so-manieth in the order of ids."""
    test_last: int = Field(default=0, ge=0)
    """Utterances of each other speaker that are the test set: those before its last `dev_last`."""
    dev_last: int = Field(default=0, ge=0)
    """Last utterances of each other speaker that are the dev set."""


def find_release(corpus: Path) -> str:
    """Tell which release lies in the folder.

    Raises:
        DataError: none does; says what lies there.
    """
    found = [name for name, folder in RELEASES.items() if (corpus / folder).is_dir()]
    if found and (corpus / "txt").is_dir():
        return found[0]
    held = sorted(path.name for path in corpus.iterdir())[:12]
    inside = [name for name in held if any((corpus / name / folder).is_dir() for folder in RELEASES.values())]
    lacking = "txt" if found else " or ".join(RELEASES.values())
    raise DataError(
        f"{corpus} is not VCTK: it lacks {lacking}; it holds {' '.join(held) or 'nothing'}",
        expected=LAYOUT,
        fix=f"give --corpus_dir {corpus / inside[0]}" if inside else FETCH,
    )  # fmt: skip


def read_speakers(corpus: Path, *, whole: bool) -> tuple[dict[str, str], set[str]]:
    """Sex (`m`, `f`) by speaker, and who has to be there: whom `speaker-info.txt` names (release 0.80 writes 225 for p225).

    Without that file everybody has to whom `lists/spk2gender` names, where `corpus` is to be the whole of it.
    """
    genders = read_table(RECIPE / "lists" / "spk2gender")
    named: dict[str, str] = {}
    path = corpus / "speaker-info.txt"
    for line in read_rows(path)[1:] if path.exists() else ():
        fields = line.split()
        if len(fields) >= 3 and fields[2] in ("F", "M"):
            named["p" + fields[0] if fields[0].isdigit() else fields[0]] = fields[2].lower()
    return genders | named, set(named or (genders if whole else ()))


def speaker_folders(corpus: Path, root: str) -> dict[str, Path]:
    """Folder of each speaker below `root`; one that is elsewhere in the corpus (s5 in some copies) is found there."""
    found = {path.name: path for path in (corpus / root).iterdir() if path.is_dir()}
    texts = {path.name for path in (corpus / "txt").iterdir() if path.is_dir()} | {"s5"}
    for spk in texts - found.keys():
        others = [
            p for p in (corpus / spk, *corpus.glob(f"*/{spk}")) if p.is_dir() and p.parent.name not in ("txt", *RELEASES.values())
        ]
        ending = ".txt" if root == "txt" else (".flac", ".wav")
        for path in others:
            if any(file.name.endswith(ending) for file in path.iterdir()):
                found[spk] = path
    return found


def find_items(corpus: Path, release: str, mic: str) -> list[Item]:
    """All utterances, in the order of their ids."""
    endings = (f"_{mic}.flac", f"_{mic}.wav") if release == "0.92" else (".wav", ".flac")
    wavs: dict[str, tuple[str, str]] = {}
    texts: dict[str, tuple[str, str]] = {}
    for table, root, ends in ((wavs, RELEASES[release], endings), (texts, "txt", (".txt",))):
        for spk, folder in speaker_folders(corpus, root).items():
            table.update({utt: (spk, path) for utt, path in files_in(folder, ends).items()})
    none = ("", "")
    return [
        Item(utt, wavs.get(utt, texts.get(utt, none))[0], wavs.get(utt, none)[1], texts.get(utt, none)[1])
        for utt in c_sorted(wavs.keys() | texts.keys())
    ]


def check_speakers(corpus: Path, items: list[Item], named: set[str], split: Split, mic: str) -> None:
    """Make sure that every speaker is there whom the corpus names, and some to train on.

    Raises:
        DataError: audio of some is not; half an archive, most likely.
    """
    there = {item.speaker for item in items if item.wav}
    spared = set(WITHOUT_MIC2) if mic == "mic2" else set()
    missing = c_sorted(named - there - spared)
    if missing:
        raise DataError(
            f"{corpus} has no audio of {len(missing)} of the {len(named)} speakers of the corpus: {' '.join(shortened(missing))}",
            expected="the whole corpus; half an archive, or an unpacking that stopped, looks like this", fix=FETCH,
        )  # fmt: skip
    if not there - set(split.unseen):
        raise DataError(f"{corpus} holds unseen speakers of the split alone", expected="speakers to train on", fix=FETCH)


def deal_out(utts: dict[str, list[str]], split: Split) -> dict[str, str]:
    """Give the set of each utterance.

    Args:
        utts: usable utterances of each speaker, in the order of their ids.
        split: who is for what.

    Raises:
        DataError: speakers have too few utterances.
    """
    sets: dict[str, str] = {}
    least = split.test_last + split.dev_last
    poor = [f"{spk}: {len(own)}" for spk, own in utts.items() if spk not in split.unseen and len(own) <= least]
    if poor:
        raise DataError(f"too few utterances of {len(poor)} speakers", poor, expected=f"more than {least} of each")
    for spk, own in utts.items():
        if spk in split.unseen:
            sets |= dict.fromkeys(own, "eval1")
            continue
        sets |= dict.fromkeys(own, "tr_no_dev")
        if split.dev_share:
            step = round(1 / split.dev_share)
            sets |= dict.fromkeys(own[step - 1 :: step], "dev")
        if least:
            sets |= dict.fromkeys(own[len(own) - least : len(own) - split.dev_last], "eval1")
            sets |= dict.fromkeys(own[len(own) - split.dev_last :], "dev")
    return sets


def tell_heard(path: Path, heard: set[str]) -> None:
    """Say which sentences of a list training speakers read as well (of those, synthesis has heard the words)."""
    listed = [row["text_utt"] for row in read_tsv(path)]
    shared = c_sorted(heard & set(listed))
    named = f": {' '.join(shortened(shared))}" if shared else ""
    print(f"eval1: {len(shared)} of the {len(listed)} sentences in {path} are read by training speakers too{named}", flush=True)


def make(
    corpus: Path,
    target: Path,
    split: Split,
    mic: str,
    lists: Path | None,
    make_lists: Path | None,
    max_dropped_pct: float,
    nj: int,
) -> None:
    """Write all data directories; without lists to check, `corpus` may be a part of the corpus."""
    corpus = corpus.absolute()
    release = find_release(corpus)
    genders, named = read_speakers(corpus, whole=lists is not None)
    items = find_items(corpus, release, mic)
    check_unique(items)
    check_speakers(corpus, items, named, split, mic)
    check_complete(str(corpus), [item for item in items if item.speaker not in (*WITHOUT_TEXT, *WITHOUT_MIC2)], FETCH)
    seen = [one for one in look_at_all(items, nj) if one.item.speaker not in split.leave_out]
    check_usable(str(corpus), seen, FETCH, max_dropped_pct)
    utts: dict[str, list[str]] = {}
    for one in seen:
        if one.text and not one.reason:
            utts.setdefault(one.item.speaker, []).append(one.item.utt)
    where = deal_out(utts, split)
    parts: dict[str, list[Seen]] = {"tr_no_dev": [], "dev": [], "eval1": [], "tr_speech": []}
    for one in seen:
        unseen = one.item.speaker in split.unseen
        parts[where.get(one.item.utt, "eval1" if unseen else "tr_no_dev")].append(one)
        if not one.text and not one.reason and not unseen:
            parts["tr_speech"].append(one)
    made = {name: make_set(part, genders, labelled=name != "tr_speech") for name, part in parts.items() if part}
    check_filled(made)
    test = made["eval1"][0]
    heard = read_in(made["tr_no_dev"][0].utts["text"].values(), test)
    if make_lists:
        write_lists(test, make_lists, pairs=200, tts=100, heard=heard)
    elif lists:
        check_lists(lists, {"eval1": test})
        tell_heard(lists / "tts.tsv", heard)
    for name, (data, reasons) in made.items():
        write_set(target / name, data, reasons, parts[name], rate_hz=RATE_HZ)


def main() -> int:
    """Read the options and make the data directories."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus_dir", default="", help="the unpacked corpus")
    parser.add_argument("--split", choices=("vqmivc", "espnet"), default="vqmivc")
    parser.add_argument("--mic", choices=("mic1", "mic2"), default="mic1", help="microphone of release 0.92")
    parser.add_argument("--lists", type=Path, help="fixed lists to check (default: those of the split, where there are any)")
    parser.add_argument("--check_lists", choices=("true", "false"), default="true", help="false for a part of the corpus")
    parser.add_argument("--make_lists", type=Path, help="make the lists from eval1 and write them there (espnet)")
    parser.add_argument("--data", type=Path, default=RECIPE / "data")
    parser.add_argument(
        "--max_dropped_pct", type=float, default=MAX_DROPPED_PCT, help="share of the recordings that may be left out, percent"
    )
    parser.add_argument("--nj", type=int, default=2)
    args = parser.parse_args()
    lists = args.lists or (RECIPE / "lists" if args.split == "vqmivc" else None)
    try:
        split = load_config(Split, RECIPE / "lists" / f"{args.split}.yaml")
        lists = lists if args.check_lists == "true" else None
        make(
            named_folder(args.corpus_dir, LAYOUT, FETCH),
            args.data,
            split,
            args.mic,
            lists,
            args.make_lists,
            args.max_dropped_pct,
            args.nj,
        )
    except CtapError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
