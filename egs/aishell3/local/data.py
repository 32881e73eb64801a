#!/usr/bin/env python3
"""Make data directories from AISHELL-3 in its own layout (OpenSLR 93): `train/ test/ spk-info.txt`.

`content.txt` gives each utterance as characters and pinyin in turn (`即 ji2 便 bian4`); an erhua syllable may stand under two
characters (`点儿 dianr3`). The pinyin is what was said, after tone sandhi, so it becomes `text.phn` as it is: initial and
final with tone. `dev` is made of training speakers (lists/dev_speakers.txt). The prosodic phrases of `label_train-set.txt`
are kept as `text.prosody`; where its pinyin differs, `content.txt` wins and both are listed in `label_differs.tsv`.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ctaplib.audio.files import AudioInfo
from ctaplib.corpus.audio_cache import remember
from ctaplib.corpus.build import named_folder, tell_odd_rates
from ctaplib.corpus.datadir import DataDir, c_sorted, subset_by_speakers, write_datadir
from ctaplib.corpus.validate import inspect_all
from ctaplib.errors import CtapError, DataError, counted, shortened
from ctaplib.files import read_table, write_table, write_tsv
from ctaplib.text.pinyin_syllables import pinyin_phones

sys.path.insert(0, str(Path(__file__).resolve().parent))
from make_lists import PAIRS, SENTENCES, draw
from transcripts import Said, parse_content, read_lines, syllable

RECIPE = Path(__file__).resolve().parent.parent
RATE_HZ = 44100
PARTS = ("train", "test")
NEEDED = ("spk-info.txt", "train/content.txt", "train/label_train-set.txt", "train/wav", "test/content.txt", "test/wav")
SUFFIXES = ("wav", "flac")
GENDERS = {"female": "f", "male": "m"}
_UTT = re.compile(r"SSB\d{8}")
EXPECTED = "the unpacked archive of OpenSLR 93: train/ test/ spk-info.txt"
FETCH = "give --corpus_dir DIR (or AISHELL3 in db.sh), or fetch the corpus with ./run.sh --stage -1 --stop_stage -1"


@dataclass
class Part:
    """`train` or `test`: what can be used, and the reason for everything that cannot."""

    name: str
    said: dict[str, Said] = field(default_factory=dict)
    wavs: dict[str, str] = field(default_factory=dict)
    infos: Mapping[str, AudioInfo] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def kept(self) -> list[str]:
        """Utterances with text and audio."""
        return c_sorted(u for u in self.said if u in self.wavs and u not in self.reasons)


def find_corpus(folder: Path) -> Path:
    """Give the folder that holds the parts: the given one or `data_aishell3` in it.

    Raises:
        DataError: it is another folder, or parts are missing; says what was found.
    """
    fix = FETCH
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", expected=EXPECTED, fix=fix)
    root = next((d for d in (folder, folder / "data_aishell3") if (d / "train").is_dir() or (d / "test").is_dir()), folder)
    missing = [name for name in NEEDED if not (root / name).exists()]
    if not missing:
        return root
    names = sorted(path.name for path in root.iterdir())
    found = f"it holds {' '.join(names[:10]) or 'nothing'}{' ...' if len(names) > 10 else ''}"
    if "data_aishell3.tgz" in names:
        fix = f"unpack it: tar -xzf {root / 'data_aishell3.tgz'} -C {root}"
    elif {"content.txt", "wav"} <= set(names):
        fix = f"give the folder above it: --corpus_dir {root.resolve().parent}"
    elif "transcript" in names or "data_aishell" in names:
        fix = "this is AISHELL-1, whose recipe is egs/aishell"
    elif len(missing) < len(NEEDED):
        fix = "a part of the archive is missing: unpack data_aishell3.tgz again, whole (19 GB; 27 GB unpacked)"
    raise DataError(f"{root} is not AISHELL-3: it lacks {' '.join(missing)}; {found}", expected=EXPECTED, fix=fix)


def read_content(path: Path, part: Part) -> None:
    """Read `content.txt`; lines that cannot be used become reasons."""
    lines: dict[str, tuple[int, str]] = {}
    for number, line in read_lines(path):
        name, *tokens = line.split()
        utt = name.removesuffix(".wav")
        place = f"{path}:{number}"
        if utt in lines:
            first, before = lines[utt]
            if before != line:
                part.said.pop(utt, None)
                part.reasons[utt] = f"{place}: the id was there before with other text, in line {first}"
            continue
        lines[utt] = number, line
        said = parse_content(tokens) if _UTT.fullmatch(utt) else "expected a name like SSB00050112.wav, then its text"
        if isinstance(said, str):
            part.reasons[utt] = f"{place}: {said}"
        else:
            part.said[utt] = said


def list_audio(folder: Path) -> dict[str, str]:
    """Audio files of `wav/<speaker>/` by their names without suffix, in one pass over the folders."""
    found = {}
    for speaker in sorted(path for path in folder.resolve().iterdir() if path.is_dir() and not path.name.startswith(".")):
        for name in os.listdir(speaker):  # noqa: PTH208  names alone, without a look at each file
            stem, _, suffix = name.rpartition(".")
            if suffix.lower() in SUFFIXES and not name.startswith("."):
                found[stem] = f"{speaker}/{name}"
    return found


def read_part(corpus: Path, name: str, max_dropped_pct: float) -> Part:
    """Read one part without opening its audio: texts, names of files, and how they fit.

    Raises:
        DataError: more than `max_dropped_pct` of it cannot be used, as after half an archive.
    """
    part = Part(name)
    read_content(corpus / name / "content.txt", part)
    part.wavs = list_audio(corpus / name / "wav")
    for utt in part.said.keys() - part.wavs.keys():
        part.reasons[utt] = f"there is text, but no audio {name}/wav/{utt[:7]}/{utt}.wav"
    for utt in part.wavs.keys() - part.said.keys() - part.reasons.keys():
        part.reasons[utt] = f"there is audio, but no line in {name}/content.txt"
    check_whole(corpus, part, max_dropped_pct)
    return part


def look_at_audio(corpus: Path, part: Part, nj: int, max_dropped_pct: float) -> None:
    """Open every file of a part that has text.

    Raises:
        DataError: more than `max_dropped_pct` of the part cannot be used.
    """
    part.infos = inspect_all({utt: part.wavs[utt] for utt in part.kept}, None, nj)
    for utt, info in part.infos.items():
        fatal = [fault for fault in info.faults if fault.fatal]
        if fatal:
            part.reasons[utt] = f"{info.path}: {fatal[0].message}"
    check_whole(corpus, part, max_dropped_pct)


def check_whole(corpus: Path, part: Part, max_dropped_pct: float) -> None:
    """Make sure that not too much of a part is left out.

    Raises:
        DataError: it is; says how much, of whom there is nothing, and gives the first reasons.
    """
    total = len(part.kept) + len(part.reasons)
    share = 100 * len(part.reasons) / max(1, total)
    if part.kept and share <= max_dropped_pct:
        return
    gone = c_sorted({utt[:7] for utt in part.said} - {utt[:7] for utt in part.kept})
    speakers = f"; nothing at all of {counted(len(gone), 'speaker')}: {' '.join(shortened(gone))}" if gone else ""
    raise DataError(
        f"{corpus / part.name}: {len(part.reasons)} of {total} utterances ({share:.1f} %) cannot be used{speakers}",
        shortened([f"{utt}: {part.reasons[utt]}" for utt in c_sorted(part.reasons)]),
        expected=f"at most {max_dropped_pct:g} %",
        fix="unpack the archive again, whole; or raise --max_dropped_pct (in --local_data_opts) to take what there is",
    )  # fmt: skip


def read_genders(path: Path, speakers: set[str]) -> dict[str, str]:
    """Sex of every speaker from `spk-info.txt` (`SSB0005 B female north`).

    Raises:
        DataError: a speaker is missing or his line cannot be read; all of them are named.
    """
    genders, faults = {}, []
    for number, line in read_lines(path):
        words = line.split()
        if len(words) < 3 or words[2] not in GENDERS:
            faults.append(f"{path}:{number}: {line!r}, expected `SSB0005 B female north`")
        else:
            genders[words[0]] = GENDERS[words[2]]
    faults += [f"{path}: there is no line of {spk}" for spk in c_sorted(speakers - genders.keys())]
    if faults:
        raise DataError(f"{path} has {len(faults)} faults", faults, fix="restore it from the archive")
    return {spk: genders[spk] for spk in speakers}


def to_datadir(part: Part, genders: Mapping[str, str]) -> DataDir:
    """Tables of the utterances that are kept."""
    kept = part.kept
    split = {s: pinyin_phones(s) for s in {s for u in kept for s in part.said[u].syllables}}
    phones = {u: [split[s] for s in part.said[u].syllables] for u in kept}
    speakers = {utt: utt[:7] for utt in kept}
    return DataDir(
        wavs={u: part.wavs[u] for u in kept},
        utts={
            "utt2spk": speakers,
            "text": {u: part.said[u].text for u in kept},
            "text.phn": {u: " ".join(p for own in phones[u] for p in own) for u in kept},
            "phn2word": {u: " ".join(str(i) for i, own in enumerate(phones[u]) for _ in own) for u in kept},
            "utt2dur": {u: f"{part.infos[u].duration_s:.4f}" for u in kept},
            "utt2lang": dict.fromkeys(kept, "zh"),
        },
        spks={"spk2gender": {spk: genders[spk] for spk in set(speakers.values())}},
    )


def read_labels(path: Path, part: Part) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Text with prosodic phrases (`即便%是一些%...$`), and utterances whose pinyin there is another than in `content.txt`."""
    prosody, differing = {}, []
    for _, line in read_lines(path):
        utt, *rest = line.split("|")
        if utt not in part.said or len(rest) != 2:
            continue
        prosody[utt] = rest[1].strip()
        label = " ".join(syllable(word) or word for word in rest[0].split() if word not in "%$")
        content = " ".join(part.said[utt].syllables)
        if label != content:
            differing.append({"utt": utt, "content": content, "label": label})
    return prosody, differing


def read_list(folder: Path, name: str) -> set[str]:
    """Read one of the fixed lists of speakers."""
    return set((folder / name).read_text(encoding="utf-8").split())


def write_set(folder: Path, data: DataDir, part: Part, reasons: Mapping[str, str]) -> None:
    """Write one set, what was left out of it, and files of another rate, which are kept."""
    write_datadir(data, folder)
    remember(folder, [part.infos[u] for u in data.utt_ids])
    write_tsv(folder / "dropped.tsv", [{"utt": u, "reason": reasons[u]} for u in c_sorted(reasons)], ("utt", "reason"))
    tell_odd_rates(folder, {u: part.infos[u] for u in data.utt_ids}, RATE_HZ)
    minutes = sum(map(float, data.utts["utt2dur"].values())) / 60
    print(f"{folder.name}: {len(data.utt_ids)} utterances of {len(data.speakers)} speakers, {minutes:.1f} minutes; "
          f"{len(reasons)} dropped (dropped.tsv)")  # fmt: skip


def check_parts(corpus: Path, parts: Mapping[str, Part], lists: Path) -> None:
    """Make sure that the parts do not overlap and have the speakers of the lists.

    Raises:
        DataError: they do not; all ids are named.
    """
    train, test = parts["train"], parts["test"]
    twice = c_sorted(train.said.keys() & test.said.keys())
    if twice:
        where = "in train/content.txt and in test/content.txt"
        raise DataError(f"{corpus}: {len(twice)} utterances are {where}", shortened(twice), fix="restore both from the archive")
    for name, part in (("dev", train), ("unseen", test)):
        missing = c_sorted(read_list(lists, f"{name}_speakers.txt") - {utt[:7] for utt in part.kept})
        if missing:
            raise DataError(
                f"{corpus / part.name} lacks speakers of {lists}/{name}_speakers.txt: {' '.join(missing)}",
                expected="all speakers of the corpus", fix="take the whole corpus, or name another folder of lists with --lists",
            )  # fmt: skip


def make(corpus: Path, target: Path, lists: Path, nj: int, max_dropped_pct: float) -> None:
    """Write all data directories: first all that can be told without opening audio, and nothing before everything was read."""
    corpus = find_corpus(corpus)
    parts = {name: read_part(corpus, name, max_dropped_pct) for name in PARTS}
    check_parts(corpus, parts, lists)
    genders = read_genders(corpus / "spk-info.txt", {utt[:7] for part in parts.values() for utt in part.kept})
    prosody, differing = read_labels(corpus / "train" / "label_train-set.txt", parts["train"])
    for part in parts.values():
        look_at_audio(corpus, part, nj, max_dropped_pct)
    train, test = (to_datadir(parts[name], genders) for name in PARTS)
    dev = read_list(lists, "dev_speakers.txt")
    reasons = {utt: reason for utt, reason in parts["train"].reasons.items() if utt[:7] not in dev}
    write_set(target / "train", subset_by_speakers(train, set(train.speakers) - dev), parts["train"], reasons)
    reasons = {utt: reason for utt, reason in parts["train"].reasons.items() if utt[:7] in dev}
    write_set(target / "dev", subset_by_speakers(train, dev), parts["train"], reasons)
    write_set(target / "test", test, parts["test"], parts["test"].reasons)
    for name in ("train", "dev"):
        kept = read_table(target / name / "utt2spk")
        write_table(target / name / "text.prosody", {utt: value for utt, value in prosody.items() if utt in kept})
    write_tsv(target / "train" / "label_differs.tsv", differing, ("utt", "content", "label"))
    if differing:
        print(f"train: the pinyin of {len(differing)} utterances differs between content.txt, which is taken, and "
              f"label_train-set.txt (label_differs.tsv)")  # fmt: skip


def main() -> int:
    """Read the options and make the data directories."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus_dir", default="", help="the unpacked corpus")
    parser.add_argument("--data", type=Path, default=RECIPE / "data")
    parser.add_argument("--lists", type=Path, default=RECIPE / "lists", help="folder of the lists of speakers")
    parser.add_argument("--max_dropped_pct", type=float, default=5.0, help="share of a part that may be left out")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="conversions in data/lists/vc_pairs.tsv")
    parser.add_argument("--sentences", type=int, default=SENTENCES, help="sentences in data/lists/tts.tsv")
    parser.add_argument("--nj", type=int, default=2)
    args = parser.parse_args()
    try:
        make(named_folder(args.corpus_dir, EXPECTED, FETCH), args.data, args.lists, args.nj, args.max_dropped_pct)
        draw(args.data, args.lists, args.pairs, args.sentences)
    except CtapError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
