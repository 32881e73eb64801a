#!/usr/bin/env python3
"""Make data directories from AISHELL-1 in its own layout (OpenSLR 33): `data_aishell/{wav,transcript}`, `resource_aishell`.

`wav/` comes as one archive per speaker, each of which must have been unpacked to `wav/{train,dev,test}/<speaker>/`
(local/unpack.sh does it). One transcript serves all three sets; the spaces between its words are dropped, as is usual. Some
recordings have no line in it: they are left out, counted and listed. The sex of speakers is in `resource_aishell/speaker.info`.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ctaplib.audio.files import AudioInfo
from ctaplib.corpus.audio_cache import remember
from ctaplib.corpus.build import named_folder, tell_odd_rates
from ctaplib.corpus.datadir import DataDir, c_sorted, write_datadir
from ctaplib.corpus.validate import inspect_all
from ctaplib.errors import CtapError, DataError, counted, shortened
from ctaplib.files import read_encoded, write_tsv

sys.path.insert(0, str(Path(__file__).resolve().parent))
from make_lists import PAIRS, SENTENCES, draw

RECIPE = Path(__file__).resolve().parent.parent
RATE_HZ = 16000
PARTS = ("train", "dev", "test")
TRANSCRIPT = "transcript/aishell_transcript_v0.8.txt"
SUFFIXES = ("wav", "flac")
GENDERS = {"F": "f", "M": "m"}
EXPECTED = "the unpacked archives of OpenSLR 33: data_aishell/ and beside it resource_aishell/"
_UTT = re.compile(r"BAC\d{3}(S\d{4})W\d{4}")
FETCH = "give --corpus_dir DIR (or AISHELL in db.sh), or fetch the corpus with ./run.sh --stage -1 --stop_stage -1"


@dataclass(frozen=True)
class Corpus:
    """Where things are."""

    data: Path
    """`data_aishell`"""
    speakers: Path
    """`resource_aishell/speaker.info`"""


@dataclass
class Part:
    """One set: its audio, and the reason for everything that cannot be used."""

    wavs: dict[str, str]
    infos: Mapping[str, AudioInfo] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def kept(self, texts: Mapping[str, str]) -> list[str]:
        """Utterances with text and audio."""
        return c_sorted(u for u in self.wavs if u in texts and u not in self.reasons)


def find_corpus(folder: Path) -> Corpus:
    """Give the places of the corpus: under the given folder, which may be `data_aishell` itself.

    Raises:
        DataError: it is another folder, parts are missing, or archives of speakers are not unpacked.
    """
    fix = FETCH
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", expected=EXPECTED, fix=fix)
    data = folder / "data_aishell" if (folder / "data_aishell").is_dir() else folder
    corpus = Corpus(data, data.resolve().parent / "resource_aishell" / "speaker.info")
    names = sorted(path.name for path in data.iterdir())
    found = f"it holds {' '.join(names[:10]) or 'nothing'}{' ...' if len(names) > 10 else ''}"
    if not (data / "wav").is_dir() and not (data / TRANSCRIPT).exists():
        if {"train", "dev", "test"} & set(names) and (data.resolve().parent / TRANSCRIPT).exists():
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
    """Find archives in `wav/` whose speaker has no folder.

    Raises:
        DataError: there are some; says how many and what to do.
    """
    wav = data / "wav"
    archives = c_sorted(path.name.removesuffix(".tar.gz") for path in wav.glob("S*.tar.gz"))
    unpacked = {path.name for part in PARTS if (wav / part).is_dir() for path in (wav / part).iterdir()}
    packed = [speaker for speaker in archives if speaker not in unpacked]
    if packed:
        raise DataError(
            f"{len(packed)} of the {len(archives)} archives in {wav} are not unpacked: {' '.join(shortened(packed))}",
            expected="wav/{train,dev,test}/<speaker>/*.wav", fix=f"unpack them: local/unpack.sh --corpus_dir {data}",
        )  # fmt: skip


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines and their numbers: without a byte order mark, CR and empty lines; full-width letters and digits folded."""
    text = read_encoded(path, fix="restore it from the archive")
    for number, line in enumerate(unicodedata.normalize("NFKC", text).split("\n"), 1):
        if line.strip():
            yield number, line.strip()


def read_transcript(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Texts without spaces, and the reason for every line that cannot be used."""
    texts: dict[str, str] = {}
    reasons: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, line in read_lines(path):
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


def list_audio(folder: Path) -> dict[str, str]:
    """Audio files of `wav/<part>/<speaker>/` by their names without suffix, in one pass over the folders."""
    found = {}
    for speaker in sorted(path for path in folder.resolve().iterdir() if path.is_dir() and not path.name.startswith(".")):
        for name in os.listdir(speaker):  # noqa: PTH208  names alone, without a look at each file
            stem, _, suffix = name.rpartition(".")
            if suffix.lower() in SUFFIXES and not name.startswith("."):
                found[stem] = f"{speaker}/{name}"
    return found


def speaker_of(utt: str) -> str:
    """Speaker of an utterance: `S0002` of `BAC009S0002W0122`; "" if it is no name of the corpus."""
    match = _UTT.fullmatch(utt)
    return match[1] if match else ""


def list_parts(data: Path, texts: Mapping[str, str], bad_lines: Mapping[str, str]) -> dict[str, Part]:
    """Find the audio of all sets, and what of it has no text.

    Raises:
        DataError: a recording is in two sets.
    """
    parts = {name: Part(list_audio(data / "wav" / name)) for name in PARTS}
    twice = [f"{u}: in {a} and {b}" for a, b in (("train", "dev"), ("train", "test"), ("dev", "test"))
             for u in c_sorted(parts[a].wavs.keys() & parts[b].wavs.keys())]  # fmt: skip
    if twice:
        found = f"{data}/wav: {len(twice)} recordings are in two sets"
        raise DataError(found, shortened(twice), fix="unpack the archives of these speakers again, into an empty folder")
    for part in parts.values():
        for utt in part.wavs.keys() - texts.keys():
            part.reasons[utt] = bad_lines.get(utt, f"there is audio, but no line in {TRANSCRIPT}")
    return parts


def look_at_audio(parts: Mapping[str, Part], texts: Mapping[str, str], nj: int) -> None:
    """Open every file that has text."""
    for part in parts.values():
        part.infos = inspect_all({utt: part.wavs[utt] for utt in part.kept(texts)}, None, nj)
        for utt, info in part.infos.items():
            fatal = [fault for fault in info.faults if fault.fatal]
            if fatal:
                part.reasons[utt] = f"{info.path}: {fatal[0].message}"


def check_whole(data: Path, texts: Mapping[str, str], parts: Mapping[str, Part], max_dropped_pct: float) -> dict[str, str]:
    """Give the reason of every text without audio, which belongs to no set.

    Raises:
        DataError: more than `max_dropped_pct` of the texts have no audio, or of a set's recordings cannot be used.
    """
    heard = {utt for part in parts.values() for utt in part.wavs}
    silent = c_sorted(texts.keys() - heard)
    faults = []
    if 100 * len(silent) > max_dropped_pct * len(texts):
        gone = c_sorted({speaker_of(utt) for utt in silent} - {speaker_of(utt) for utt in heard})
        nothing = f"; nothing at all of {counted(len(gone), 'speaker')}: {' '.join(shortened(gone))}" if gone else ""
        faults.append(f"{len(silent)} of {len(texts)} texts have no audio, e.g. {silent[0]}{nothing}")
    for name, part in parts.items():
        bad = [utt for utt in c_sorted(part.reasons) if utt in texts]
        if not part.kept(texts):
            faults.append(f"wav/{name}: none of its {len(part.wavs)} recordings can be used"
                          + "".join(f", e.g. {utt}: {part.reasons[utt]}" for utt in c_sorted(part.reasons)[:1]))  # fmt: skip
        elif 100 * len(part.reasons) > max_dropped_pct * len(part.wavs):
            example = (bad or c_sorted(part.reasons))[0]
            faults.append(f"wav/{name}: {len(part.reasons)} of {len(part.wavs)} recordings cannot be used, "
                          f"e.g. {example}: {part.reasons[example]}")  # fmt: skip
    if faults:
        raise DataError(
            f"{data} is not whole", faults, expected=f"at most {max_dropped_pct:g} % left out",
            fix="unpack the archives again, whole; or raise --max_dropped_pct (in --local_data_opts) to take what there is",
        )  # fmt: skip
    return {utt: f"there is text, but no audio wav/*/{speaker_of(utt)}/{utt}.wav" for utt in silent}


def read_genders(path: Path, speakers: set[str]) -> dict[str, str]:
    """Sex of every speaker from `speaker.info` (`0002 F`).

    Raises:
        DataError: a speaker is missing or his line cannot be read; all of them are named.
    """
    genders, faults = {}, []
    for number, line in read_lines(path):
        words = line.split()
        if len(words) != 2 or words[1] not in GENDERS:
            faults.append(f"{path}:{number}: {line!r}, expected `0002 F`")
        else:
            genders["S" + words[0].removeprefix("S")] = GENDERS[words[1]]
    faults += [f"{path}: there is no line of {spk}" for spk in c_sorted(speakers - genders.keys())]
    if faults:
        raise DataError(f"{path} has {len(faults)} faults", faults, fix="restore it from resource_aishell.tgz")
    return {spk: genders[spk] for spk in speakers}


def write_set(folder: Path, part: Part, texts: Mapping[str, str], genders: Mapping[str, str], more: Mapping[str, str]) -> None:
    """Write one set, what was left out of it, and files of another rate, which are kept."""
    kept = part.kept(texts)
    speakers = {utt: speaker_of(utt) for utt in kept}
    data = DataDir(
        wavs={u: part.wavs[u] for u in kept},
        utts={
            "utt2spk": speakers,
            "text": {u: texts[u] for u in kept},
            "utt2dur": {u: f"{part.infos[u].duration_s:.4f}" for u in kept},
            "utt2lang": dict.fromkeys(kept, "zh"),
        },
        spks={"spk2gender": {spk: genders[spk] for spk in set(speakers.values())}},
    )
    write_datadir(data, folder)
    remember(folder, [part.infos[u] for u in kept])
    reasons = {**part.reasons, **more}
    write_tsv(folder / "dropped.tsv", [{"utt": u, "reason": reasons[u]} for u in c_sorted(reasons)], ("utt", "reason"))
    tell_odd_rates(folder, {u: part.infos[u] for u in kept}, RATE_HZ)
    hours = sum(info.duration_s for u, info in part.infos.items() if u in speakers) / 3600
    untold = sum("no line in" in reason for reason in part.reasons.values())
    print(f"{folder.name}: {len(kept)} utterances of {len(data.speakers)} speakers, {hours:.2f} hours; "
          f"{len(reasons)} dropped (dropped.tsv), {untold} of them without text")  # fmt: skip


def check_speakers(data: Path, part: Part, texts: Mapping[str, str], path: Path) -> None:
    """Make sure that the test set has the speakers of the list.

    Raises:
        DataError: it does not; all of them are named.
    """
    missing = c_sorted(set(path.read_text(encoding="utf-8").split()) - {speaker_of(utt) for utt in part.kept(texts)})
    if missing:
        raise DataError(
            f"{data}/wav/test lacks speakers of {path}: {' '.join(missing)}", expected="all speakers of the corpus",
            fix="take the whole corpus, or name another folder of lists with --lists (in --local_data_opts)",
        )  # fmt: skip


def make(folder: Path, target: Path, lists: Path, nj: int, max_dropped_pct: float) -> None:
    """Write all data directories: first all that can be told without opening audio, and nothing before everything was read."""
    corpus = find_corpus(folder)
    texts, bad_lines = read_transcript(corpus.data / TRANSCRIPT)
    parts = list_parts(corpus.data, texts, bad_lines)
    silent = check_whole(corpus.data, texts, parts, max_dropped_pct)
    check_speakers(corpus.data, parts["test"], texts, lists / "test_speakers.txt")
    genders = read_genders(corpus.speakers, {speaker_of(utt) for part in parts.values() for utt in part.kept(texts)})
    look_at_audio(parts, texts, nj)
    check_whole(corpus.data, texts, parts, max_dropped_pct)
    silent |= {utt: reason for utt, reason in bad_lines.items() if not any(utt in part.wavs for part in parts.values())}
    owner = {speaker_of(utt): name for name, part in parts.items() for utt in part.wavs}
    for name, part in parts.items():
        more = {utt: reason for utt, reason in silent.items() if owner.get(speaker_of(utt), "train") == name}
        write_set(target / name, part, texts, genders, more)


def main() -> int:
    """Read the options and make the data directories."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus_dir", default="", help="folder of data_aishell and resource_aishell")
    parser.add_argument("--data", type=Path, default=RECIPE / "data")
    parser.add_argument("--lists", type=Path, default=RECIPE / "lists", help="folder of the list of test speakers")
    parser.add_argument("--max_dropped_pct", type=float, default=5.0, help="share of a set that may be left out")
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
