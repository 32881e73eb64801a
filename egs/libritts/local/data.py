#!/usr/bin/env python3
"""Make data directories from LibriTTS (OpenSLR 60) or LibriTTS-R (141): `<part>/<speaker>/<chapter>/<utterance>.wav`.

Sets have the names of the parts; as in ESPnet, `train-clean-460` joins train-clean-100 and -360, `train-960` train-other-500 too.
Text is `.normalized.txt`. An utterance keeps its name with hyphens for underscores (121-127105-000024-000000), so that speakers
sort as their utterances do, which Kaldi asks for. `utt2chapter` gives the chapter of each utterance.
"""

import re
import sys
import unicodedata
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ctaplib.corpus.build import check_complete, check_filled, check_items, check_unique, make_set, open_all, write_set
from ctaplib.corpus.datadir import c_sorted
from ctaplib.corpus.importing import Item
from ctaplib.corpus.lists import check_lists
from ctaplib.corpus.recipe import contents, data_parser, files_in, named_folder, read_rows, run_recipe
from ctaplib.errors import DataError, shortened

RECIPE = Path(__file__).resolve().parent.parent
RATE_HZ = 24000
PARTS = ("train-clean-100", "train-clean-360", "train-other-500", "dev-clean", "dev-other", "test-clean", "test-other")
JOINED = {"train-clean-460": PARTS[:2], "train-960": PARTS[:3]}
AUDIO = (".wav", ".flac", ".ogg", ".opus", ".mp3")
LAYOUT = "the folder LibriTTS or LibriTTS_R"
FETCH = "give --corpus_dir DIR, or fetch it with ./run.sh --stage -1 --stop_stage -1"


def check_layout(corpus: Path, parts: Sequence[str]) -> None:
    """Raise DataError where the folder is not the corpus, or lacks parts that are asked for."""
    missing = [part for part in parts if not (corpus / part).is_dir()]
    if not any((corpus / part).is_dir() for part in PARTS):
        inside = [path for path in sorted(corpus.iterdir()) if any((path / part).is_dir() for part in PARTS)]
        raise DataError(
            f"{corpus} is not LibriTTS: {contents(corpus)}", expected=f"{LAYOUT} with {' '.join(parts)}",
            fix=f"give --corpus_dir {inside[0]}" if inside else FETCH,
        )  # fmt: skip
    if missing:
        fix = "fetch the missing parts (./run.sh --stage -1 --stop_stage -1)"
        trained = [name for name in PARTS[:3] if (corpus / name).is_dir()]
        if trained and not set(missing) - {*PARTS[:3]}:
            other = f"--train_set {trained[0]}"
            fix += f", or name a training set that is there ({other} --local_data_opts '{other}')"
        raise DataError(f"{corpus} lacks {' '.join(missing)}; {contents(corpus)}", expected=" ".join(parts), fix=fix)


def read_speakers(corpus: Path) -> dict[str, str]:
    """Read the sex (`m`, `f`) of each speaker from `speakers.tsv` or `SPEAKERS.txt`."""
    for name, mark in (("speakers.tsv", "\t"), ("SPEAKERS.txt", "|"), ("SPEAKERS.TXT", "|")):
        if not (corpus / name).exists():
            continue
        rows = [[field.strip() for field in line.split(mark)] for line in read_rows(corpus / name) if not line.startswith(";")]
        found = {row[0]: row[1].lower() for row in rows if len(row) > 1 and row[0].isdigit() and row[1] in ("F", "M")}
        if found:
            return found
    raise DataError(
        f"{corpus} has neither speakers.tsv nor SPEAKERS.txt", fix=FETCH,
        expected="one of them (each archive of LibriTTS brings both; for LibriTTS-R they are in doc.tar.gz)",
    )  # fmt: skip


def find(corpus: Path, part: str, genders: Mapping[str, str]) -> list[Item]:
    """Find the utterances of a part, in the order of their ids."""
    items = []
    for speaker in (path for path in (corpus / part).iterdir() if path.is_dir()):
        for chapter in (path for path in speaker.iterdir() if path.is_dir()):
            tables = {"utt2lang": "en", "utt2chapter": f"{speaker.name}-{chapter.name}"}
            wavs, texts = files_in(chapter, (".wav", ".flac")), files_in(chapter, (".normalized.txt",))
            for name in wavs.keys() | texts.keys():
                wav, text = wavs.get(name, ""), texts.get(name, "")
                utt, gender = name.replace("_", "-"), genders.get(speaker.name, "")
                items.append(Item(utt, wav, wav or text, "", speaker.name, gender, tables=tables, text_file=text))
    return sorted(items, key=lambda item: item.name)


def plain(name: str) -> str:
    """Make an id from a name: signs become hyphens, letters of every script stay."""
    return re.sub(r"[\W_]+", "-", unicodedata.normalize("NFC", name)).strip("-") or "x"


def find_audio(folder: Path) -> list[Item]:
    """Find all audio below a folder; the folders of its first level are the speakers."""
    items = []
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO and path.is_file()):
        *above, name = path.relative_to(folder).with_suffix("").parts
        speaker = plain(above[0]) if above else plain(folder.name)
        utt = "-".join([speaker, *map(plain, above[1:]), plain(name)])
        items.append(Item(utt, str(path), str(path), speaker=speaker, tables={"utt2lang": "en"}))
    if not items:
        raise DataError(f"{folder} holds no audio", expected=" ".join(AUDIO), fix="name another folder as --speech_only")
    return sorted(items, key=lambda item: item.name)


def check_speakers(corpus: Path, sets: Mapping[str, Sequence[Item]]) -> None:
    """Raise DataError where the sex of a speaker is not known, or a training speaker is in a dev or test set."""
    speakers = {name: {item.speaker for item in items} for name, items in sets.items()}
    shared = [
        f"{spk}: {a} and {b}" for a in speakers for b in speakers for spk in c_sorted(speakers[a] & speakers[b])
        if a.startswith("train") and b.startswith(("dev", "test"))
    ]  # fmt: skip
    if shared:
        raise DataError(f"{len(shared)} speakers are in a training set and in another", shortened(shared), fix=FETCH)
    unknown = c_sorted({item.speaker for items in sets.values() for item in items if not item.gender})
    if unknown:
        found = f"{corpus} says nothing of the sex of {' '.join(shortened(unknown))}"
        raise DataError(found, expected="a line in speakers.tsv", fix=FETCH)


def make(args: Namespace) -> None:
    """Make all data directories; nothing is written before everything was read."""
    corpus = named_folder(args.corpus_dir, LAYOUT, FETCH).absolute()
    training = JOINED.get(args.train_set, (args.train_set,))
    needed = [*training, "dev-clean", "test-clean", *([args.speech_only] if args.speech_only in PARTS else [])]
    check_layout(corpus, needed)
    genders = read_speakers(corpus)
    others = [part for part in ("dev-other", "test-other") if (corpus / part).is_dir()]
    parts = {part: find(corpus, part, genders) for part in dict.fromkeys((*needed, *others))}
    check_unique(item for items in parts.values() for item in items)
    fixes = {part: f"unpack {part}.tar.gz again, or fetch it again" for part in parts}
    for part, items in parts.items():
        check_complete(str(corpus / part), items, fixes[part])
    opened = iter(open_all([item for items in parts.values() for item in items], args.nj))
    parts = {part: [next(opened) for _ in items] for part, items in parts.items()}
    for part, items in parts.items():
        check_items(str(corpus / part), items, fixes[part], args.max_dropped_pct)
    wanted = {args.train_set: [item for part in training for item in parts[part]]}
    wanted |= {part: parts[part] for part in ("dev-clean", "test-clean", *others)}
    check_speakers(corpus, wanted)
    made = {name: make_set(items) for name, items in wanted.items()}
    check_filled(made)
    if args.check_lists == "true":
        check_lists(args.lists, {"test-clean": made["test-clean"].data})
    for name, one in made.items():
        write_set(args.data / name, one, RATE_HZ)
    if args.speech_only in PARTS:
        speech = [replace(item, gender="") for item in parts[args.speech_only]]
        write_set(args.data / args.speech_only, make_set(speech, labelled=False), RATE_HZ)
    elif args.speech_only:
        write_speech(Path(args.speech_only).absolute(), args)


def write_speech(folder: Path, args: Namespace) -> None:
    """Write the set `speech` from any folder of audio."""
    if not folder.is_dir():
        found = f"--speech_only {args.speech_only}: no part and no folder of that name"
        raise DataError(found, expected=f"one of {' '.join(PARTS)}, or a folder")
    items = find_audio(folder)
    check_unique(items)
    items = open_all(items, args.nj)
    check_items(str(folder), items, "see the reasons; name another folder, or take these files out of it", args.max_dropped_pct)
    write_set(args.data / "speech", make_set(items, labelled=False))


def main() -> int:
    """Read the options and make the data directories."""
    parser = data_parser(__doc__, RECIPE)
    parser.add_argument("--train_set", choices=(*PARTS[:3], *JOINED), default="train-clean-460")
    text = "part (train-other-500) or any folder of audio for the speech-only branch"
    parser.add_argument("--speech_only", default="", help=text)
    parser.add_argument("--check_lists", choices=("true", "false"), default="true", help="false for a part of the corpus")
    args = parser.parse_args()
    return run_recipe(lambda: make(args))


if __name__ == "__main__":
    sys.exit(main())
