#!/usr/bin/env python3
"""Make data directories from AISHELL-1 in its own layout (OpenSLR 33): `data_aishell/{wav,transcript}`, `resource_aishell`.

`wav/` comes as one archive per speaker, each of which must have been unpacked to `wav/{train,dev,test}/<speaker>/`
(local/unpack.sh does it). One transcript serves all three sets; the spaces between its words are dropped, as is usual. Some
recordings have no line in it: they are left out, counted and listed. The sex of speakers is in `resource_aishell/speaker.info`.
"""

import re
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ctaplib.corpus.build import check_filled, check_items, make_set, open_all, write_set
from ctaplib.corpus.datadir import c_sorted
from ctaplib.corpus.importing import Item
from ctaplib.corpus.recipe import (
    check_speakers,
    contents,
    data_parser,
    files_of_speakers,
    named_folder,
    numbered_lines,
    read_genders,
    run_recipe,
)  # fmt: skip
from ctaplib.errors import DataError, shortened

sys.path.insert(0, str(Path(__file__).resolve().parent))
from make_lists import PAIRS, SENTENCES, draw

RECIPE = Path(__file__).resolve().parent.parent
RATE_HZ = 16000
PARTS = ("train", "dev", "test")
TRANSCRIPT = "transcript/aishell_transcript_v0.8.txt"
EXPECTED = "the unpacked archives of OpenSLR 33: data_aishell/ and beside it resource_aishell/"
FETCH = "give --corpus_dir DIR (or AISHELL in db.sh), or fetch the corpus with ./run.sh --stage -1 --stop_stage -1"
UNPACK = "unpack the archives again, whole; or raise --max_dropped_pct (in --local_data_opts) to take what there is"
_UTT = re.compile(r"BAC\d{3}(S\d{4})W\d{4}")


@dataclass(frozen=True)
class Corpus:
    """Where things are."""

    data: Path
    """`data_aishell`"""
    speakers: Path
    """`resource_aishell/speaker.info`"""


def find_corpus(folder: Path) -> Corpus:
    """Find the places of the corpus under a folder, which may be `data_aishell` itself; raise DataError where one lacks."""
    data = folder / "data_aishell" if (folder / "data_aishell").is_dir() else folder
    corpus = Corpus(data, data.resolve().parent / "resource_aishell" / "speaker.info")
    names, found, fix = {path.name for path in data.iterdir()}, contents(data), FETCH
    if not (data / "wav").is_dir() and not (data / TRANSCRIPT).exists():
        if set(PARTS) & names and (data.resolve().parent / TRANSCRIPT).exists():
            fix = f"give the folder above it: --corpus_dir {data.resolve().parent}"
        elif "data_aishell.tgz" in names:
            fix = f"unpack it: tar -xzf {data / 'data_aishell.tgz'} -C {data}, then local/unpack.sh --corpus_dir {data}"
        elif "spk-info.txt" in names or "content.txt" in names:
            fix = "this is AISHELL-3, whose recipe is egs/aishell3"
        raise DataError(f"{data} is not AISHELL-1: {found}", expected=EXPECTED, fix=fix)
    check_unpacked(data)
    missing = [name for name in (TRANSCRIPT, *(f"wav/{part}" for part in PARTS)) if not (data / name).exists()]
    if missing:
        fix = "unpack data_aishell.tgz again, whole (15.6 GB), then run local/unpack.sh"
        raise DataError(f"{data} lacks {' '.join(missing)}; {found}", expected=EXPECTED, fix=fix)
    if not corpus.speakers.exists():
        fix = "fetch resource_aishell.tgz (1.2 MB) from https://www.openslr.org/resources/33 and unpack it there"
        raise DataError(f"{corpus.speakers} is missing, which says who is a woman and who a man", expected=EXPECTED, fix=fix)
    return corpus


def check_unpacked(data: Path) -> None:
    """Raise DataError where archives of speakers in `wav/` are not unpacked."""
    wav = data / "wav"
    archives = c_sorted(path.name.removesuffix(".tar.gz") for path in wav.glob("S*.tar.gz"))
    unpacked = {path.name for part in PARTS if (wav / part).is_dir() for path in (wav / part).iterdir()}
    packed = [speaker for speaker in archives if speaker not in unpacked]
    if packed:
        raise DataError(
            f"{len(packed)} of the {len(archives)} archives in {wav} are not unpacked: {' '.join(shortened(packed))}",
            expected="wav/{train,dev,test}/<speaker>/*.wav", fix=f"unpack them: local/unpack.sh --corpus_dir {data}",
        )  # fmt: skip


def read_transcript(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Read texts without spaces, and the reason for every line that cannot be used."""
    texts: dict[str, str] = {}
    reasons: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, line in numbered_lines(path):
        utt, *words = line.split()
        text, place = "".join(words), f"{path}:{number}"
        if utt in lines:
            if texts.get(utt) != text:
                texts.pop(utt, None)
                reasons[utt] = f"{place}: the id was there before with other text, in line {lines[utt]}"
            continue
        lines[utt] = number
        if not _UTT.fullmatch(utt):
            reasons[utt] = f"{place}: expected a name like BAC009S0002W0122, then its text"
        elif not text:
            reasons[utt] = f"{place}: empty text"
        else:
            texts[utt] = text
    return texts, reasons


def speaker_of(utt: str) -> str:
    """Return the speaker of an utterance: `S0002` of `BAC009S0002W0121`; empty if it is no name of the corpus."""
    match = _UTT.fullmatch(utt)
    return match[1] if match else ""


def find(data: Path) -> dict[str, list[Item]]:
    """Find the utterances of each set; one that lacks audio or text has its reason. DataError: one is in two sets."""
    texts, bad_lines = read_transcript(data / TRANSCRIPT)
    wavs = {part: files_of_speakers(data / "wav" / part, (".wav", ".flac")) for part in PARTS}
    twice = [f"{u}: in {a} and {b}" for a, b in (("train", "dev"), ("train", "test"), ("dev", "test"))
             for u in c_sorted(wavs[a].keys() & wavs[b].keys())]  # fmt: skip
    if twice:
        found = f"{data}/wav: {len(twice)} recordings are in two sets"
        raise DataError(found, shortened(twice), fix="unpack the archives of these speakers again, into an empty folder")
    items: dict[str, list[Item]] = {}
    for part, own in wavs.items():
        no_line = f"there is audio, but no line in {TRANSCRIPT}"
        reasons = {utt: "" if utt in texts else bad_lines.get(utt, no_line) for utt in own}
        items[part] = [
            Item(utt, own[utt], own[utt], texts.get(utt, ""), speaker_of(utt), tables={"utt2lang": "zh"}, reason=reasons[utt])
            for utt in c_sorted(own)
        ]
    owner = {speaker_of(utt): part for part, own in wavs.items() for utt in own}
    silent = {utt: f"there is text, but no audio wav/*/{speaker_of(utt)}/{utt}.wav" for utt in texts} | bad_lines
    for utt in c_sorted(silent.keys() - {utt for own in wavs.values() for utt in own}):
        items[owner.get(speaker_of(utt), "train")].append(Item(utt, "", "", speaker=speaker_of(utt), reason=silent[utt]))
    return items


def _gender(words: Sequence[str]) -> tuple[str, str] | None:
    """Read a line of `speaker.info` (`0002 F`)."""
    return ("S" + words[0].removeprefix("S"), words[1].lower()) if len(words) == 2 and words[1] in ("F", "M") else None


def make(folder: Path, target: Path, lists: Path, nj: int, max_dropped_pct: float) -> None:
    """Make all data directories: check first what needs no audio, then open it; write nothing before everything was read."""
    corpus = find_corpus(folder)
    parts = find(corpus.data)
    check_parts(corpus.data, parts, max_dropped_pct)
    usable = {part: {item.speaker for item in items if not item.reason} for part, items in parts.items()}
    check_speakers(f"{corpus.data}/wav/test", usable["test"], lists / "test_speakers.txt")
    genders = read_genders(corpus.speakers, set().union(*usable.values()), _gender, "0002 F")
    parts = {name: [replace(i, gender=genders.get(i.speaker, "")) for i in open_all(items, nj)] for name, items in parts.items()}
    check_parts(corpus.data, parts, max_dropped_pct)
    made = {name: make_set(items) for name, items in parts.items()}
    check_filled(made)
    for name, one in made.items():
        write_set(target / name, one, RATE_HZ)


def check_parts(data: Path, parts: Mapping[str, list[Item]], max_dropped_pct: float) -> None:
    """Raise DataError where too much of a set is missing, as after half an archive."""
    for name, items in parts.items():
        check_items(f"{data}/wav/{name}", items, UNPACK, max_dropped_pct)


def prepare(args: Namespace) -> None:
    """Make the data directories, then the lists."""
    make(named_folder(args.corpus_dir, EXPECTED, FETCH), args.data, args.lists, args.nj, args.max_dropped_pct)
    draw(args.data, args.lists, args.pairs, args.sentences)


def main() -> int:
    """Read the options and make the data directories."""
    parser = data_parser(__doc__, RECIPE)
    parser.add_argument("--pairs", type=int, default=PAIRS, help="conversions in data/lists/vc_pairs.tsv")
    parser.add_argument("--sentences", type=int, default=SENTENCES, help="sentences in data/lists/tts.tsv")
    args = parser.parse_args()
    return run_recipe(lambda: prepare(args))


if __name__ == "__main__":
    sys.exit(main())
