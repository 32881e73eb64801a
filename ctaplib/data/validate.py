"""Check a data directory: all faults at once, each with file and line, what was expected and what to do.

Tables are checked first (order, duplicates, agreement between files), then every audio file is opened, in parallel.
`fix_datadir` repairs what can be repaired, drops the rest into `dropped.tsv` with reasons, and keeps a backup.
"""

from __future__ import annotations

import multiprocessing
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ctaplib.data.audio import AudioInfo, inspect
from ctaplib.data.datadir import SPK_TABLES, UTT_TABLES, backup, c_sorted, read_datadir, subset, write_datadir
from ctaplib.data.seen_audio import recall
from ctaplib.errors import DataError
from ctaplib.files import atomic_write, read_tsv, write_tsv

MAX_PHONES_PER_S = 30.0
"""Phones a second from which a text cannot belong to its audio (people say 8 to 20)."""
MAX_CHARACTERS_PER_S = 50.0
"""The same for letters, where there are no phones yet."""
DURATION_TOLERANCE_S = 0.02


@dataclass(frozen=True)
class Fault:
    """One fault of a data directory."""

    place: str
    """file:line"""
    message: str
    """What was found, what was expected, what to do."""
    utt: str = ""
    """The utterance to be dropped by a fix, if dropping it is the cure."""
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


@dataclass
class Report:
    """All faults of a data directory, and what it holds."""

    path: Path
    faults: list[Fault] = field(default_factory=list)
    utts: int = 0
    speakers: int = 0
    duration_s: float = 0.0

    @property
    def fatal(self) -> list[Fault]:
        """Faults with which training cannot start."""
        return [fault for fault in self.faults if fault.fatal]

    def summary(self) -> str:
        """Say in one line what there is."""
        held = f"{self.utts} utterances of {self.speakers} speakers, {self.duration_s / 60:.1f} minutes"
        warnings = len(self.faults) - len(self.fatal)
        return f"{self.path}: {held}; {len(self.fatal)} faults, {warnings} warnings"

    def raise_if_fatal(self) -> None:
        """Raise all fatal faults as one error."""
        if self.fatal:
            fix = f"see each line, or let `ctap data validate --fix {self.path}` repair and drop (with a backup)"
            raise DataError(f"{self.path} has {len(self.fatal)} faults", [str(f) for f in self.fatal], fix=fix)


@dataclass
class _Table:
    """A table with the line of each entry."""

    path: Path
    values: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    def place(self, key: str) -> str:
        return f"{self.path}:{self.lines.get(key, 1)}"


def _read(path: Path, faults: list[Fault]) -> _Table:
    """Read a table whatever is wrong with it, and note what is wrong."""
    table = _Table(path)
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        bad_line = path.read_bytes()[: error.start].count(b"\n") + 1
        faults.append(Fault(f"{path}:{bad_line}", f"it is not UTF-8 ({error.reason}); convert it, e.g. with iconv"))
        return table
    previous = ""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            if line or number <= text.count("\n"):
                faults.append(Fault(f"{path}:{number}", "the line is empty; remove it"))
            continue
        if line.endswith("\r"):
            faults.append(Fault(f"{path}:{number}", "the line ends in CR LF; expected LF; run dos2unix", fatal=False))
        key, *rest = line.split(maxsplit=1)
        if key in table.values:
            first = table.lines[key]
            faults.append(Fault(f"{path}:{number}", f"duplicate id {key}, first in line {first}; keep one line per id"))
            continue
        if previous and key.encode() < previous.encode():
            wanted = "expected LC_ALL=C order; sort it with LC_ALL=C"
            faults.append(Fault(f"{path}:{number}", f"unsorted: {key} after {previous}; {wanted}"))
        previous = key
        table.values[key], table.lines[key] = (rest[0].strip() if rest else ""), number
    if not table.values:
        faults.append(Fault(f"{path}:1", "the file is empty; expected one line per id"))
    return table


def check_tables(path: Path, faults: list[Fault]) -> dict[str, _Table]:
    """Check the tables by themselves and against each other; return them by name."""
    names = ("wav.scp", "segments", "spk2utt", *UTT_TABLES, *SPK_TABLES)
    tables = {name: _read(path / name, faults) for name in names if (path / name).exists()}
    for name in ("wav.scp", "utt2spk"):
        if name not in tables:
            faults.append(Fault(f"{path / name}:1", "the file is missing; make it with the data stage (1)"))
    if not {"wav.scp", "utt2spk"} <= tables.keys():
        return tables
    utts = tables["utt2spk"].values
    speakers = set(utts.values())
    for name, table in tables.items():
        wanted: Collection[str] = utts
        if name == "wav.scp" and "segments" in tables:
            wanted = {value.split()[0] for value in tables["segments"].values.values() if value}
        elif name in (*SPK_TABLES, "spk2utt"):
            wanted = speakers
        _compare(table, wanted, faults)
    _check_text(tables, faults)
    _check_spk2utt(tables, faults)
    return tables


def _compare(table: _Table, wanted: Collection[str], faults: list[Fault]) -> None:
    for key in c_sorted(table.values.keys() - set(wanted)):
        faults.append(Fault(table.place(key), f"{key} is not in the other tables; remove the line or add the id there", utt=key))
    for key in c_sorted(set(wanted) - table.values.keys()):
        what = f"{key} has no line in {table.path.name}; add it, or drop {key} from the other tables"
        faults.append(Fault(f"{table.path}:1", what, utt=key))
    for key, value in table.values.items():
        if not value:
            what = "empty text" if table.path.name.startswith("text") else "no value"
            faults.append(
                Fault(table.place(key), f"{key}: {what}; expected `{key} ...`; fill it in or drop the utterance", utt=key)
            )


def _check_spk2utt(tables: Mapping[str, _Table], faults: list[Fault]) -> None:
    if "spk2utt" not in tables:
        return
    table = tables["spk2utt"]
    owner = {utt: spk for spk, value in table.values.items() for utt in value.split()}
    wrong = [utt for utt, spk in tables["utt2spk"].values.items() if owner.get(utt) != spk]
    if wrong or len(owner) != len(tables["utt2spk"].values):
        example = f" (e.g. {wrong[0]})" if wrong else ""
        what = f"it does not agree with utt2spk{example}; make it again: utils/utt2spk_to_spk2utt.sh utt2spk > spk2utt"
        faults.append(Fault(f"{table.path}:1", what))


def _check_text(tables: Mapping[str, _Table], faults: list[Fault]) -> None:
    for name in ("text", "text.phn"):
        if name not in tables:
            continue
        for utt, value in tables[name].values.items():
            odd = sorted(
                {f"U+{ord(c):04X}" for c in value if unicodedata.category(c) in {"Cc", "Cn", "Co", "Cs"} or c == "\ufffd"}
            )
            if odd and value:
                what = f"{utt}: unknown symbols {' '.join(odd)}; expected printable text; correct the line"
                faults.append(Fault(tables[name].place(utt), what, utt=utt))
    if {"text.phn", "phn2word"} <= tables.keys():
        table = tables["phn2word"]
        for utt, value in table.values.items():
            phones = tables["text.phn"].values.get(utt, "").split()
            words = value.split()
            good = len(words) == len(phones) and all(w.isdigit() for w in words)
            if not good or [int(w) for w in words] != sorted(int(w) for w in words):
                found = f"{utt}: expected {len(phones)} word numbers in rising order, one per phone, found {len(words)}"
                what = f"{found}; correct the line, or remove the file"
                faults.append(Fault(table.place(utt), what, utt=utt))


def check_tokens(tables: Mapping[str, _Table], known: Collection[str], faults: list[Fault]) -> None:
    """Find phones that a token list does not have."""
    if "text.phn" not in tables:
        return
    for utt, value in tables["text.phn"].values.items():
        unknown = sorted(set(value.split()) - set(known))
        if unknown:
            what = f"{utt}: unknown symbols {' '.join(unknown)}; expected phones of the token list; correct them"
            faults.append(Fault(tables["text.phn"].place(utt), what, utt=utt))


def _check_audio(tables: Mapping[str, _Table], infos: Mapping[str, AudioInfo], faults: list[Fault]) -> dict[str, float]:
    """Turn what was seen in audio files into faults; return the duration of each utterance in seconds."""
    wavs, durations = tables["wav.scp"], {}
    recording = {utt: utt for utt in tables["utt2spk"].values}
    ends: dict[str, tuple[float, float]] = {}
    segments = tables.get("segments", _Table(Path("segments")))
    for utt, value in segments.values.items():
        try:
            recording[utt], start, end = value.split()[0], float(value.split()[1]), float(value.split()[2])
            ends[utt] = (start, end)
        except (ValueError, IndexError):
            what = f"{utt}: found {value!r}; expected `recording start_s end_s`; correct the line"
            faults.append(Fault(segments.place(utt), what, utt=utt))
    users: dict[str, list[str]] = {}
    for utt, name in recording.items():
        users.setdefault(name, []).append(utt)
    for name, info in infos.items():
        for fault in info.faults:
            for utt in users.get(name, [name]) if fault.fatal else [name]:
                faults.append(Fault(wavs.place(name), f"{name}: {info.path}: {fault.message}", utt=utt, fatal=fault.fatal))
        for utt in users.get(name, ()):
            durations[utt] = info.duration_s
            if utt in ends and info.duration_s:
                start, end = ends[utt]
                durations[utt] = end - start
                if not 0 <= start < end <= info.duration_s + DURATION_TOLERANCE_S:
                    what = f"{utt}: {start} s to {end} s does not lie in the {info.duration_s:.3f} s of {name}; correct it"
                    faults.append(Fault(f"{tables['segments'].place(utt)}", what, utt=utt))
    return durations


def _check_lengths(tables: Mapping[str, _Table], durations: Mapping[str, float], faults: list[Fault]) -> None:
    """Compare texts and noted durations with the audio."""
    phones, text, noted = (tables.get(name) for name in ("text.phn", "text", "utt2dur"))
    for utt, duration_s in durations.items():
        if duration_s <= 0:
            continue
        for table, count, limit, unit in (
            (phones, len(phones.values.get(utt, "").split()) if phones else 0, MAX_PHONES_PER_S, "phones"),
            (text, len(text.values.get(utt, "")) if text and not phones else 0, MAX_CHARACTERS_PER_S, "letters"),
        ):
            if table and count > limit * duration_s:
                found = f"{utt}: text far too long for its audio: {count} {unit} in {duration_s:.2f} s"
                what = f"{found}; expected at most {limit:.0f} a second; check that text and audio belong together"
                faults.append(Fault(table.place(utt), what, utt=utt))
        try:
            wrong = noted is not None and abs(float(noted.values.get(utt, duration_s)) - duration_s) > DURATION_TOLERANCE_S
        except ValueError:
            wrong = True
        if wrong and noted is not None:
            what = f"{utt}: {noted.values[utt]} s, but the audio has {duration_s:.4f} s; make utt2dur again"
            faults.append(Fault(noted.place(utt), what, fatal=False))


def _audio_path(value: str, base: Path) -> str:
    path = Path(value)
    return str(path if path.is_absolute() or path.exists() else base / path)


def inspect_all(paths: Mapping[str, str], rate_hz: int | None, nj: int) -> dict[str, AudioInfo]:
    """Open every audio file, in parallel."""
    look = partial(inspect, rate_hz=rate_hz)
    if nj <= 1 or len(paths) < 32:
        return {name: look(path) for name, path in paths.items()}
    with ProcessPoolExecutor(nj, mp_context=multiprocessing.get_context("spawn")) as pool:
        return dict(zip(paths, pool.map(look, paths.values(), chunksize=64), strict=True))


def validate_datadir(
    path: str | Path, *, nj: int = 1, rate_hz: int | None = None, tokens: Collection[str] | None = None, audio: bool = True
) -> Report:
    """Check a data directory and report every fault.

    Args:
        path: the data directory.
        nj: number of processes that open audio.
        rate_hz: the sampling rate that all audio should have; None to accept any.
        tokens: known phones, where there is a token list already.
        audio: whether to open the audio.
    """
    path = Path(path)
    if not path.is_dir():
        raise DataError(f"{path} is not a directory", expected="a Kaldi data directory", fix="run the data stage (1)")
    report = Report(path)
    faults = report.faults
    tables = check_tables(path, faults)
    if tokens is not None:
        check_tokens(tables, tokens, faults)
    if not {"wav.scp", "utt2spk"} <= tables.keys():
        return report
    report.utts, report.speakers = len(tables["utt2spk"].values), len(set(tables["utt2spk"].values.values()))
    if not audio:
        return report
    wavs = tables["wav.scp"]
    piped = [name for name, value in wavs.values.items() if value.endswith("|")]
    for name in piped:
        what = (
            f"{name}: a command in place of a file; expected the path of an audio file; run the command once and name its output"
        )
        faults.append(Fault(wavs.place(name), what, utt=name))
    files = {n: _audio_path(v, path) for n, v in wavs.values.items() if v and n not in set(piped)}
    seen = recall(path, files, rate_hz)
    infos = seen | inspect_all({name: file for name, file in files.items() if name not in seen}, rate_hz, nj)
    durations = _check_audio(tables, infos, faults)
    _check_lengths(tables, durations, faults)
    report.duration_s = sum(durations.values())
    return report


def fix_datadir(path: str | Path, report: Report) -> list[dict[str, str]]:
    """Repair a data directory: sort, keep the first of duplicates, drop what cannot be used; the backup is in `.backup/`.

    Args:
        path: the data directory.
        report: what `validate_datadir` found in it.

    Returns:
        The dropped utterances and the reason of each; they are added to `dropped.tsv` too.

    Raises:
        DataError: nothing would be left.
    """
    path = Path(path)
    count = sum(1 for _ in path.glob(".backup*"))
    backup(path, path / (f".backup{count}" if count else ".backup"))
    for name in ("wav.scp", "segments", *UTT_TABLES, *SPK_TABLES):
        if (path / name).exists():
            table = _read(path / name, [])
            with atomic_write(path / name) as out:
                out.writelines(f"{key} {table.values[key]}".rstrip() + "\n" for key in c_sorted(table.values))
    data = read_datadir(path)
    reasons: dict[str, str] = {}
    for fault in report.fatal:
        if fault.utt:
            reasons.setdefault(fault.utt, f"{Path(fault.place.split(':')[0]).name}: {fault.message}")
    in_all: Iterable[str] = [u for u in data.utt_ids if u not in reasons and all(u in t for t in data.utts.values())]
    kept = list(in_all)
    if not kept:
        raise DataError(f"{path}: no utterance would be left", fix="see the faults; the backup is in .backup/")
    dropped = [{"utt": utt, "reason": reason} for utt, reason in sorted(reasons.items())]
    before = read_tsv(path / "dropped.tsv") if (path / "dropped.tsv").exists() else []
    write_datadir(subset(data, kept), path)
    write_tsv(path / "dropped.tsv", [*before, *dropped], ("utt", "reason"))
    return dropped
