#!/usr/bin/env python3
"""Make data directories from AISHELL-3 in its own layout (OpenSLR 93): `train/ test/ spk-info.txt`.

`content.txt` gives each utterance as characters and pinyin in turn (`即 ji2 便 bian4`); an erhua syllable may stand under two
characters (`点儿 dianr3`). The pinyin is what was read, after tone sandhi, so it becomes `text.phn` as it is: initial and
final with tone. `dev` is made of training speakers (lists/dev_speakers.txt). The prosodic phrases of `label_train-set.txt`
are kept as `text.prosody`; where its pinyin differs, `content.txt` wins and both are listed in `label_differs.tsv`.
"""

import re
import sys
from argparse import Namespace
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache
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
    read_list,
    run_recipe,
)  # fmt: skip
from ctaplib.errors import DataError, shortened
from ctaplib.files import write_table, write_tsv
from ctaplib.text.pinyin_syllables import pinyin_phones

sys.path.insert(0, str(Path(__file__).resolve().parent))
from make_lists import PAIRS, SENTENCES, draw
from transcripts import Reading, parse_content, syllable

RECIPE = Path(__file__).resolve().parent.parent
RATE_HZ = 44100
PARTS = ("train", "test")
NEEDED = ("spk-info.txt", "train/content.txt", "train/label_train-set.txt", "train/wav", "test/content.txt", "test/wav")
GENDERS = {"female": "f", "male": "m"}
_UTT = re.compile(r"SSB\d{8}")
EXPECTED = "the unpacked archive of OpenSLR 93: train/ test/ spk-info.txt"
FETCH = "give --corpus_dir DIR (or AISHELL3 in db.sh), or fetch the corpus with ./run.sh --stage -1 --stop_stage -1"
UNPACK = "unpack the archive again, whole; or raise --max_dropped_pct (in --local_data_opts) to take what there is"


def find_corpus(folder: Path) -> Path:
    """Find the folder that holds the parts: the given one or `data_aishell3` in it; raise DataError where parts lack."""
    root = next((d for d in (folder, folder / "data_aishell3") if (d / "train").is_dir() or (d / "test").is_dir()), folder)
    missing = [name for name in NEEDED if not (root / name).exists()]
    if not missing:
        return root
    names, fix = {path.name for path in root.iterdir()}, FETCH
    if "data_aishell3.tgz" in names:
        fix = f"unpack it: tar -xzf {root / 'data_aishell3.tgz'} -C {root}"
    elif {"content.txt", "wav"} <= names:
        fix = f"give the folder above it: --corpus_dir {root.resolve().parent}"
    elif "transcript" in names or "data_aishell" in names:
        fix = "this is AISHELL-1, whose recipe is egs/aishell"
    elif len(missing) < len(NEEDED):
        fix = "a part of the archive is missing: unpack data_aishell3.tgz again, whole (19 GB; 27 GB unpacked)"
    raise DataError(f"{root} is not AISHELL-3: it lacks {' '.join(missing)}; {contents(root)}", expected=EXPECTED, fix=fix)


def read_content(path: Path) -> tuple[dict[str, Reading], dict[str, str]]:
    """Read `content.txt`: the utterances, and the reason for every line that cannot be used."""
    readings: dict[str, Reading] = {}
    reasons: dict[str, str] = {}
    lines: dict[str, tuple[int, str]] = {}
    for number, line in numbered_lines(path):
        name, *tokens = line.split()
        utt = name.removesuffix(".wav")
        place = f"{path}:{number}"
        if utt in lines:
            first, before = lines[utt]
            if before != line:
                readings.pop(utt, None)
                reasons[utt] = f"{place}: the id was there before with other text, in line {first}"
            continue
        lines[utt] = number, line
        reading = parse_content(tokens) if _UTT.fullmatch(utt) else "expected a name like SSB00050112.wav, then its text"
        if isinstance(reading, str):
            reasons[utt] = f"{place}: {reading}"
        else:
            readings[utt] = reading
    return readings, reasons


_phones = cache(pinyin_phones)


def find(corpus: Path, part: str) -> tuple[list[Item], dict[str, Reading]]:
    """Find the utterances of `train` or `test`, each that cannot be used with its reason, and what they read."""
    readings, reasons = read_content(corpus / part / "content.txt")
    wavs = files_of_speakers(corpus / part / "wav", (".wav", ".flac"))
    items = []
    for utt in c_sorted(wavs.keys() | readings.keys() | reasons.keys()):
        wav, reason, tables, text = wavs.get(utt, ""), reasons.get(utt, ""), {}, ""
        if utt in readings:
            reason = reason or ("" if wav else f"there is text, but no audio {part}/wav/{utt[:7]}/{utt}.wav")
            phones = [_phones(syllable) for syllable in readings[utt].syllables]
            words = " ".join(str(i) for i, own in enumerate(phones) for _ in own)
            tables = {"utt2lang": "zh", "text.phn": " ".join(p for own in phones for p in own), "phn2word": words}
            text = readings[utt].text
        reason = reason or ("" if utt in readings else f"there is audio, but no line in {part}/content.txt")
        speaker = utt[:7] if _UTT.fullmatch(utt) else ""
        items.append(Item(utt, wav, wav, text, speaker, tables=tables, reason=reason))
    return items, readings


def _gender(words: Sequence[str]) -> tuple[str, str] | None:
    """Read a line of `spk-info.txt` (`SSB0005 B female north`)."""
    return (words[0], GENDERS[words[2]]) if len(words) >= 3 and words[2] in GENDERS else None


def read_labels(path: Path, readings: Mapping[str, Reading]) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Read text with prosodic phrases (`即便%是一些%...$`), and utterances whose pinyin there is not that of `content.txt`."""
    prosody, differing = {}, []
    for _, line in numbered_lines(path):
        utt, *rest = line.split("|")
        if utt not in readings or len(rest) != 2:
            continue
        prosody[utt] = rest[1].strip()
        label = " ".join(syllable(word) or word for word in rest[0].split() if word not in "%$")
        content = " ".join(readings[utt].syllables)
        if label != content:
            differing.append({"utt": utt, "content": content, "label": label})
    return prosody, differing


def check_parts(corpus: Path, parts: Mapping[str, Sequence[Item]], max_dropped_pct: float) -> None:
    """Raise DataError where too much of a part is missing, as after half an archive."""
    for name, items in parts.items():
        check_items(f"{corpus / name}", items, UNPACK, max_dropped_pct)


def speakers_of(items: Sequence[Item]) -> Collection[str]:
    """Return the speakers of the utterances that can be used."""
    return {item.speaker for item in items if not item.reason}


def make(folder: Path, target: Path, lists: Path, nj: int, max_dropped_pct: float) -> None:
    """Make all data directories: check first what needs no audio, then open it; write nothing before everything was read."""
    corpus = find_corpus(folder)
    (train, readings), (test, tested) = (find(corpus, name) for name in PARTS)
    twice = c_sorted(readings.keys() & tested.keys())
    if twice:
        where = "in train/content.txt and in test/content.txt"
        raise DataError(f"{corpus}: {len(twice)} utterances are {where}", shortened(twice), fix="restore both from the archive")
    check_parts(corpus, {"train": train, "test": test}, max_dropped_pct)
    check_speakers(f"{corpus}/train", speakers_of(train), lists / "dev_speakers.txt")
    check_speakers(f"{corpus}/test", speakers_of(test), lists / "unseen_speakers.txt")
    genders = read_genders(corpus / "spk-info.txt", {*speakers_of(train), *speakers_of(test)}, _gender, "SSB0005 B female north")
    prosody, differing = read_labels(corpus / "train" / "label_train-set.txt", readings)
    train, test = ([replace(i, gender=genders.get(i.speaker, "")) for i in open_all(part, nj)] for part in (train, test))
    check_parts(corpus, {"train": train, "test": test}, max_dropped_pct)
    dev = read_list(lists, "dev_speakers.txt")
    sets = {
        "train": make_set(item for item in train if item.name[:7] not in dev),
        "dev": make_set(item for item in train if item.name[:7] in dev),
        "test": make_set(test),
    }
    check_filled(sets)
    for name, made in sets.items():
        write_set(target / name, made, RATE_HZ)
        if name != "test":
            write_table(target / name / "text.prosody", {utt: prosody[utt] for utt in made.data.wavs if utt in prosody})
    write_tsv(target / "train" / "label_differs.tsv", differing, ("utt", "content", "label"))
    if differing:
        print(f"train: the pinyin of {len(differing)} utterances differs between content.txt, which is taken, and "
              f"label_train-set.txt (label_differs.tsv)")  # fmt: skip


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
