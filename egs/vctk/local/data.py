#!/usr/bin/env python3
"""Make data directories from VCTK: release 0.92 (`wav48_silence_trimmed`, FLAC) or 0.80 (`wav48`, WAV).

Sets are `tr_no_dev dev eval1`, as ESPnet calls them, by one of two splits (lists/<split>.yaml): `vqmivc` has 20 unseen speakers
in eval1, `espnet` has unseen sentences of seen speakers there. Audio without text (p315) becomes the set `tr_speech`.
"""

import sys
from argparse import Namespace
from pathlib import Path

from make_lists import read_in
from make_lists import write as write_lists
from pydantic import Field

from ctaplib.config import Config, load_config
from ctaplib.corpus.build import check_complete, check_filled, check_items, check_unique, make_set, open_all, write_set
from ctaplib.corpus.datadir import c_sorted
from ctaplib.corpus.importing import Item
from ctaplib.corpus.lists import check_lists
from ctaplib.corpus.recipe import contents, data_parser, files_in, named_folder, read_rows, run_recipe
from ctaplib.errors import DataError, shortened
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
    """Share of each other speaker's utterances that is the dev set: every n-th in the order of ids."""
    test_last: int = Field(default=0, ge=0)
    """Utterances of each other speaker that are the test set: those before its last `dev_last`."""
    dev_last: int = Field(default=0, ge=0)
    """Last utterances of each other speaker that are the dev set."""


def find_release(corpus: Path) -> str:
    """Return which release lies in the folder; raise DataError where none does."""
    found = [name for name, folder in RELEASES.items() if (corpus / folder).is_dir()]
    if found and (corpus / "txt").is_dir():
        return found[0]
    inside = [path for path in sorted(corpus.iterdir()) if any((path / folder).is_dir() for folder in RELEASES.values())]
    lacking_name = "txt" if found else " or ".join(RELEASES.values())
    raise DataError(
        f"{corpus} is not VCTK: it lacks {lacking_name}; {contents(corpus)}", expected=LAYOUT,
        fix=f"give --corpus_dir {inside[0]}" if inside else FETCH,
    )  # fmt: skip


def read_speakers(corpus: Path, *, whole: bool) -> tuple[dict[str, str], set[str]]:
    """Read the sex (`m`, `f`) of each speaker, and who must be there: all in `speaker-info.txt` (where 0.80 writes 225).

    Without that file, all in `lists/spk2gender` have to, where `corpus` is to be the whole of it.
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
    """Find the folder of each speaker below `root`; one that is elsewhere in the corpus (s5 in some copies) is found there."""
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


def find(corpus: Path, release: str, mic: str, genders: dict[str, str]) -> list[Item]:
    """Find all utterances, in the order of their ids."""
    endings = (f"_{mic}.flac", f"_{mic}.wav") if release == "0.92" else (".wav", ".flac")
    wavs: dict[str, str] = {}
    texts: dict[str, str] = {}
    owner: dict[str, str] = {}
    for table, root, ends in ((texts, "txt", (".txt",)), (wavs, RELEASES[release], endings)):
        for spk, folder in speaker_folders(corpus, root).items():
            found = files_in(folder, ends)
            table |= found
            owner |= dict.fromkeys(found, spk)
    items = []
    for utt in c_sorted(owner):
        wav, text, spk = wavs.get(utt, ""), texts.get(utt, ""), owner[utt]
        items.append(Item(utt, wav, wav or text, "", spk, genders.get(spk, ""), tables={"utt2lang": "en"}, text_file=text))
    return items


def check_speakers(corpus: Path, items: list[Item], named: set[str], split: Split, mic: str) -> None:
    """Raise DataError where a speaker of the corpus has no audio (half an archive, most likely), or none is left to train on."""
    there = {item.speaker for item in items if item.audio}
    missing = c_sorted(named - there - set(WITHOUT_MIC2 if mic == "mic2" else ()))
    if missing:
        raise DataError(
            f"{corpus} has no audio of {len(missing)} of the {len(named)} speakers of the corpus: {' '.join(shortened(missing))}",
            expected="the whole corpus; half an archive, or an unpacking that stopped, looks like this", fix=FETCH,
        )  # fmt: skip
    if not there - set(split.unseen):
        raise DataError(f"{corpus} holds unseen speakers of the split alone", expected="speakers to train on", fix=FETCH)


def deal_out(items: list[Item], split: Split) -> dict[str, list[Item]]:
    """Return the utterances of each set; what cannot be used stands with the others of its speaker."""
    usable: dict[str, list[str]] = {}
    for item in items:
        if item.text and not item.reason:
            usable.setdefault(item.speaker, []).append(item.name)
    least = split.test_last + split.dev_last
    poor = [f"{spk}: {len(own)}" for spk, own in usable.items() if spk not in split.unseen and len(own) <= least]
    if poor:
        raise DataError(f"too few utterances of {len(poor)} speakers", poor, expected=f"more than {least} of each")
    where: dict[str, str] = {}
    for own in (own for spk, own in usable.items() if spk not in split.unseen):
        if split.dev_share:
            step = round(1 / split.dev_share)
            where |= dict.fromkeys(own[step - 1 :: step], "dev")
        if least:
            where |= dict.fromkeys(own[len(own) - least : len(own) - split.dev_last], "eval1")
            where |= dict.fromkeys(own[len(own) - split.dev_last :], "dev")
    sets: dict[str, list[Item]] = {"tr_no_dev": [], "dev": [], "eval1": [], "tr_speech": []}
    for item in items:
        unseen = item.speaker in split.unseen
        sets["eval1" if unseen else where.get(item.name, "tr_no_dev")].append(item)
        if not item.text and not item.reason and not unseen:
            sets["tr_speech"].append(item)
    return {name: own for name, own in sets.items() if own}


def report_read(path: Path, read: set[str]) -> None:
    """Print which sentences of a list training speakers read as well (synthesis was trained on their words)."""
    listed = [row["text_utt"] for row in read_tsv(path)]
    shared = c_sorted(read & set(listed))
    named = f": {' '.join(shortened(shared))}" if shared else ""
    print(f"eval1: {len(shared)} of the {len(listed)} sentences in {path} are read by training speakers too{named}", flush=True)


def make(args: Namespace) -> None:
    """Make all data directories; where no lists are checked, the corpus may be a part of it."""
    split = load_config(Split, RECIPE / "lists" / f"{args.split}.yaml")
    lists = args.lists or (RECIPE / "lists" if args.split == "vqmivc" else None)
    lists = lists if args.check_lists == "true" else None
    corpus = named_folder(args.corpus_dir, LAYOUT, FETCH).absolute()
    release = find_release(corpus)
    genders, named = read_speakers(corpus, whole=lists is not None)
    items = find(corpus, release, args.mic, genders)
    check_unique(items)
    check_speakers(corpus, items, named, split, args.mic)
    whole = [item for item in items if item.speaker not in (*WITHOUT_TEXT, *WITHOUT_MIC2)]
    check_complete(str(corpus), whole, FETCH)
    items = [item for item in open_all(items, args.nj) if item.speaker not in split.leave_out]
    check_items(str(corpus), [item for item in items if item.audio], FETCH, args.max_dropped_pct)
    made = {name: make_set(own, labelled=name != "tr_speech") for name, own in deal_out(items, split).items()}
    check_filled(made)
    test = made["eval1"].data
    read = read_in(made["tr_no_dev"].data.utts["text"].values(), test)
    if args.make_lists:
        write_lists(test, args.make_lists, pairs=200, tts=100, read=read)
    elif lists:
        check_lists(lists, {"eval1": test})
        report_read(lists / "tts.tsv", read)
    for name, one in made.items():
        write_set(args.data / name, one, RATE_HZ)


def main() -> int:
    """Read the options and make the data directories."""
    parser = data_parser(__doc__, RECIPE)
    parser.set_defaults(lists=None)
    parser.add_argument("--split", choices=("vqmivc", "espnet"), default="vqmivc")
    parser.add_argument("--mic", choices=("mic1", "mic2"), default="mic1", help="microphone of release 0.92")
    parser.add_argument("--check_lists", choices=("true", "false"), default="true", help="false for a part of the corpus")
    parser.add_argument("--make_lists", type=Path, help="make the lists from eval1 and write them there (espnet)")
    args = parser.parse_args()
    return run_recipe(lambda: make(args))


if __name__ == "__main__":
    sys.exit(main())
