#!/usr/bin/env python3
"""Make data directories from LibriTTS (OpenSLR 60) or LibriTTS-R (141): `<part>/<speaker>/<chapter>/<utterance>.wav`.

Sets have the names of the parts; as in ESPnet, `train-clean-460` joins train-clean-100 and -360, `train-960` train-other-500 too.
Text is `.normalized.txt`. An utterance keeps its name with hyphens for underscores (121-127105-000024-000000), for with these
speakers sort as their utterances do, which Kaldi asks for. `utt2chapter` says which chapter each utterance is of.
"""

from __future__ import annotations

import argparse
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

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

RECIPE = Path(__file__).resolve().parent.parent
RATE_HZ = 24000
PARTS = ("train-clean-100", "train-clean-360", "train-other-500", "dev-clean", "dev-other", "test-clean", "test-other")
JOINED = {"train-clean-460": PARTS[:2], "train-960": PARTS[:3]}
AUDIO = (".wav", ".flac", ".ogg", ".opus", ".mp3")
LAYOUT = "the folder LibriTTS or LibriTTS_R"
FETCH = "give --corpus_dir DIR, or fetch it with ./run.sh --stage -1 --stop_stage -1"


def check_layout(corpus: Path, parts: Sequence[str]) -> None:
    """Make sure that the folder is the corpus and holds the parts that are asked for.

    Raises:
        DataError: it does not; says what lies there.
    """
    held = sorted(path.name for path in corpus.iterdir())[:12]
    missing = [part for part in parts if not (corpus / part).is_dir()]
    inside = [name for name in held if any((corpus / name / part).is_dir() for part in PARTS)]
    if not any((corpus / part).is_dir() for part in PARTS):
        raise DataError(
            f"{corpus} is not LibriTTS: it holds {' '.join(held) or 'nothing'}",
            expected=f"{LAYOUT} with {' '.join(parts)}",
            fix=f"give --corpus_dir {corpus / inside[0]}" if inside else FETCH,
        )
    if missing:
        fix = "fetch the missing parts (./run.sh --stage -1 --stop_stage -1)"
        trained = [name for name in PARTS[:3] if (corpus / name).is_dir()]
        if trained and not set(missing) - {*PARTS[:3]}:
            fix += (
                f", or name a training set that is there (--train_set {trained[0]} --local_data_opts '--train_set {trained[0]}')"
            )
        raise DataError(
            f"{corpus} lacks {' '.join(missing)}; it holds {' '.join(held)}", expected=" ".join(parts),
            fix=fix,
        )  # fmt: skip


def read_speakers(corpus: Path) -> dict[str, str]:
    """Sex (`m`, `f`) by speaker, from `speakers.tsv` or `SPEAKERS.txt`.

    Raises:
        DataError: neither is there, or it says nothing that can be read.
    """
    for name, mark in (("speakers.tsv", "\t"), ("SPEAKERS.txt", "|"), ("SPEAKERS.TXT", "|")):
        if not (corpus / name).exists():
            continue
        rows = [[field.strip() for field in line.split(mark)] for line in read_rows(corpus / name) if not line.startswith(";")]
        found = {row[0]: row[1].lower() for row in rows if len(row) > 1 and row[0].isdigit() and row[1] in ("F", "M")}
        if found:
            return found
    raise DataError(
        f"{corpus} has neither speakers.tsv nor SPEAKERS.txt",
        expected="one of them (each archive of LibriTTS brings both; for LibriTTS-R they are in doc.tar.gz)",
        fix=FETCH,
    )


def find_items(folder: Path) -> Iterator[tuple[Item, str]]:
    """All utterances of a part, in the order of their ids, each with its chapter."""
    found: list[tuple[Item, str]] = []
    for speaker in sorted(path for path in folder.iterdir() if path.is_dir()):
        for chapter in sorted(path for path in speaker.iterdir() if path.is_dir()):
            wavs, texts = files_in(chapter, (".wav", ".flac")), files_in(chapter, (".normalized.txt",))
            for name in wavs.keys() | texts.keys():
                item = Item(name.replace("_", "-"), speaker.name, wavs.get(name, ""), texts.get(name, ""))
                found.append((item, f"{speaker.name}-{chapter.name}"))
    yield from sorted(found, key=lambda pair: pair[0].utt.encode())


def plain(name: str) -> str:
    """A name without spaces and signs, for an id; letters of every script stay."""
    return re.sub(r"[\W_]+", "-", unicodedata.normalize("NFC", name)).strip("-") or "x"


def find_audio(folder: Path) -> list[Item]:
    """All audio below any folder; its first level is taken for speakers.

    Raises:
        DataError: there is none, or two files would have the same name.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO and path.is_file())
    items = []
    for path in paths:
        *above, name = path.relative_to(folder).with_suffix("").parts
        speaker = plain(above[0]) if above else plain(folder.name)
        items.append(Item("-".join([speaker, *map(plain, above[1:]), plain(name)]), speaker, str(path), ""))
    if not items:
        raise DataError(f"{folder} holds no audio", expected=" ".join(AUDIO), fix="name another folder as --speech_only")
    return sorted(items, key=lambda item: item.utt.encode())


def check_speakers(sets: dict[str, list[Seen]]) -> None:
    """Make sure that no speaker is in a training set and in a dev or test set.

    Raises:
        DataError: some are.
    """
    speakers = {name: {one.item.speaker for one in part} for name, part in sets.items()}
    shared = [
        f"{spk}: {a} and {b}" for a in speakers for b in speakers for spk in c_sorted(speakers[a] & speakers[b])
        if a.startswith("train") and b.startswith(("dev", "test"))
    ]  # fmt: skip
    if shared:
        raise DataError(f"{len(shared)} speakers are in a training set and in another", shortened(shared), fix=FETCH)


def make(
    corpus: Path, target: Path, train_set: str, speech_only: str, lists: Path | None, max_dropped_pct: float, nj: int
) -> None:
    """Write all data directories."""
    corpus = corpus.absolute()
    training = JOINED.get(train_set, (train_set,))
    needed = [*training, "dev-clean", "test-clean", *([speech_only] if speech_only in PARTS else [])]
    check_layout(corpus, needed)
    genders = read_speakers(corpus)
    others = [part for part in ("dev-other", "test-other") if (corpus / part).is_dir()]
    items: dict[str, list[Item]] = {}
    chapters: dict[str, str] = {}
    for part in dict.fromkeys((*needed, *others)):
        found = list(find_items(corpus / part))
        items[part] = [item for item, _ in found]
        chapters |= {item.utt: chapter for item, chapter in found}
    check_unique(item for part in items.values() for item in part)
    for part, own in items.items():
        check_complete(str(corpus / part), own, f"unpack {part}.tar.gz again, or fetch it again")
    flat = [item for part in items.values() for item in part]
    looked = iter(look_at_all(flat, nj))
    seen = {part: [next(looked) for _ in own] for part, own in items.items()}
    for part, own in seen.items():
        check_usable(str(corpus / part), own, f"unpack {part}.tar.gz again, or fetch it again", max_dropped_pct)
    wanted = {train_set: [one for part in training for one in seen[part]]}
    wanted |= {part: seen[part] for part in ("dev-clean", "test-clean", *others)}
    check_speakers(wanted)
    unknown = c_sorted({one.item.speaker for part in wanted.values() for one in part} - genders.keys())
    if unknown:
        raise DataError(
            f"{corpus} says nothing of the sex of {' '.join(shortened(unknown))}", expected="a line in speakers.tsv", fix=FETCH
        )
    made = {name: make_set(part, genders) for name, part in wanted.items()}
    check_filled(made)
    if lists:
        check_lists(lists, {"test-clean": made["test-clean"][0]})
    for name, (data, reasons) in made.items():
        write_set(target / name, data, reasons, wanted[name], {"utt2chapter": chapters}, RATE_HZ)
    write_speech(target, speech_only, seen, chapters, max_dropped_pct, nj)


def write_speech(
    target: Path, speech_only: str, seen: dict[str, list[Seen]], chapters: dict[str, str], max_dropped_pct: float, nj: int
) -> None:
    """Write the set of the speech-only branch: a part of the corpus without its text, or `speech` from any folder."""
    if not speech_only:
        return
    if speech_only in PARTS:
        data, reasons = make_set(seen[speech_only], {}, labelled=False)
        write_set(target / speech_only, data, reasons, seen[speech_only], {"utt2chapter": chapters}, RATE_HZ)
        return
    folder = Path(speech_only).absolute()
    if not folder.is_dir():
        raise DataError(
            f"--speech_only {speech_only}: no part and no folder of that name", expected=f"one of {' '.join(PARTS)}, or a folder"
        )
    items = find_audio(folder)
    check_unique(items)
    part = look_at_all(items, nj)
    check_usable(str(folder), part, "see the reasons; name another folder, or take these files out of it", max_dropped_pct)
    data, reasons = make_set(part, {}, labelled=False)
    write_set(target / "speech", data, reasons, part)


def main() -> int:
    """Read the options and make the data directories."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus_dir", default="", help="the folder LibriTTS or LibriTTS_R")
    parser.add_argument("--train_set", choices=(*PARTS[:3], *JOINED), default="train-clean-460")
    parser.add_argument(
        "--speech_only", default="", help="part (train-other-500) or any folder of audio for the speech-only branch"
    )
    parser.add_argument("--lists", type=Path, default=RECIPE / "lists", help="fixed lists to check")
    parser.add_argument("--check_lists", choices=("true", "false"), default="true", help="false for a part of the corpus")
    parser.add_argument("--data", type=Path, default=RECIPE / "data")
    parser.add_argument(
        "--max_dropped_pct", type=float, default=MAX_DROPPED_PCT, help="share of the recordings that may be left out, percent"
    )
    parser.add_argument("--nj", type=int, default=2)
    args = parser.parse_args()
    try:
        lists = args.lists if args.check_lists == "true" else None
        make(
            named_folder(args.corpus_dir, LAYOUT, FETCH),
            args.data,
            args.train_set,
            args.speech_only,
            lists,
            args.max_dropped_pct,
            args.nj,
        )
    except CtapError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
