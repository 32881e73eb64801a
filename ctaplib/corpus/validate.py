"""Check a data directory: all faults at once, each with file and line, what was expected and what to do.

Tables are checked first (`table_checks`), then every audio file is opened, in parallel. `fix_datadir` repairs what can be
repaired, drops the rest into `dropped.tsv` with reasons, and keeps a backup.
"""

import shutil
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ctaplib.audio.files import AudioInfo
from ctaplib.corpus import datadir
from ctaplib.corpus.datadir import CTM_FILES, REC_TABLES, SPK_TABLES, UTT_TABLES, DataDir, c_sorted
from ctaplib.corpus.inspection import inspect_all, odd_rates, recall
from ctaplib.corpus.table_checks import NUMERIC_TABLES, Fault, Table, check_tables, check_tokens, number
from ctaplib.errors import DataError, counted
from ctaplib.files import read_tsv, write_tsv

MAX_PHONES_PER_S = 30.0
"""Phones a second from which on a text cannot belong to its audio (speakers reach 8 to 20)."""
MAX_CHARACTERS_PER_S = 50.0
"""Letters a second from which on it cannot, where there are no phones yet."""
DURATION_TOLERANCE_S = 0.02


@dataclass
class Report:
    """Faults of a data directory, and its size."""

    path: Path
    faults: list[Fault] = field(default_factory=list)
    utts: int = 0
    speakers: int = 0
    duration_s: float = 0.0
    tables: dict[str, Table] = field(default_factory=dict)

    @property
    def fatal(self) -> list[Fault]:
        """Faults with which training cannot start."""
        return [fault for fault in self.faults if fault.fatal]

    def summary(self) -> str:
        """Return one line with size and numbers of faults."""
        held = f"{counted(self.utts, 'utterance')} of {counted(self.speakers, 'speaker')}, {self.duration_s / 60:.1f} minutes"
        warnings = len(self.faults) - len(self.fatal)
        return f"{self.path}: {held}; {counted(len(self.fatal), 'fault')}, {counted(warnings, 'warning')}"


def _check_audio(tables: Mapping[str, Table], infos: Mapping[str, AudioInfo], faults: list[Fault]) -> dict[str, float]:
    """Add the faults of the inspected audio files to `faults`; return the duration of each utterance in seconds."""
    wavs, durations = tables["wav.scp"], {}
    recording = {utt: utt for utt in tables["utt2spk"].values}
    ends: dict[str, tuple[float, float]] = {}
    segments = tables.get("segments", Table(Path("segments")))
    for utt, value in segments.values.items():
        segment = datadir.parse_segment(value)
        if segment is None:
            faults.append(segments.fault(utt, f"found {value!r}; expected `recording start_s end_s`; correct the line"))
        else:
            recording[utt], ends[utt] = segment.recording, (segment.start_s, segment.end_s)
    users: dict[str, list[str]] = {}
    for utt, name in recording.items():
        users.setdefault(name, []).append(utt)
    compared = any(fault.kind == "wrong_rate" for info in infos.values() for fault in info.faults)
    odd = {} if compared else odd_rates(infos)
    for name, info in infos.items():
        if name in odd:
            what = f"{info.path}: its rate is {info.rate_hz} Hz, most others have {odd[name]} Hz; expected one rate"
            fix = "features resample it, but a lower rate lacks the high frequencies: see whether it belongs here"
            faults.append(wavs.fault(name, f"{what}; {fix}", fatal=False))
        for fault in info.faults:
            for utt in users.get(name, [name]) if fault.fatal else [name]:
                faults.append(Fault(wavs.place(name), f"{name}: {info.path}: {fault.message}", utt=utt, fatal=fault.fatal))
        for utt in users.get(name, ()):
            durations[utt] = info.duration_s
            if utt in ends and info.duration_s:
                start, end = ends[utt]
                durations[utt] = end - start
                if not 0 <= start < end <= info.duration_s + DURATION_TOLERANCE_S:
                    what = f"{start} s to {end} s does not lie in the {info.duration_s:.3f} s of {name}; correct it"
                    faults.append(segments.fault(utt, what))
    return durations


def _check_lengths(tables: Mapping[str, Table], durations: Mapping[str, float], faults: list[Fault]) -> None:
    """Compare texts and `utt2dur` with the audio."""
    written = tables.get("utt2dur", Table(Path("utt2dur")))
    table, limit, unit = tables.get("text"), MAX_CHARACTERS_PER_S, "letters"
    if "text.phn" in tables:
        table, limit, unit = tables["text.phn"], MAX_PHONES_PER_S, "phones"
    for utt, duration_s in ((utt, duration_s) for utt, duration_s in durations.items() if duration_s > 0):
        value = table.values.get(utt, "") if table else ""
        count = len(value.split() if unit == "phones" else value)
        if table and count > limit * duration_s:
            found = f"text far too long for its audio: {count} {unit} in {duration_s:.2f} s"
            what = f"{found}; expected at most {limit:.0f} a second; check that text and audio belong together"
            faults.append(table.fault(utt, what))
        if utt in written.values and abs(number(written.values[utt]) - duration_s) > DURATION_TOLERANCE_S:
            what = f"{written.values[utt]} s, but the audio has {duration_s:.4f} s; make utt2dur again"
            faults.append(written.fault(utt, what, fatal=False))


def validate_datadir(
    path: str | Path,
    *,
    nj: int = 1,
    rate_hz: int | None = None,
    tokens: Collection[str] | None = None,
    audio: bool = True,
    wav_scp: bool = True,
) -> Report:
    """Check a data directory and report every fault.

    Audio is opened if `audio`; all of it should have `rate_hz` (None: any). `tokens` are the known phones, where there is a list.
    With `wav_scp` off, the directory need not have audio (one of features alone has none).
    """
    path = Path(path)
    if not path.is_dir():
        raise DataError(f"{path} is not a directory", expected="a Kaldi data directory", fix="run the data stage (1)")
    report = Report(path)
    faults = report.faults
    report.tables = tables = check_tables(path, faults, wav_scp=wav_scp)
    if tokens is not None:
        check_tokens(tables, tokens, faults)
    if "utt2spk" not in tables or (wav_scp and "wav.scp" not in tables):
        return report
    report.utts, report.speakers = len(tables["utt2spk"].values), len(set(tables["utt2spk"].values.values()))
    if not audio or "wav.scp" not in tables:
        return report
    wavs = tables["wav.scp"]
    files = {name: datadir.resolve(value, path) for name, value in wavs.values.items() if value}
    known = recall(path, files, rate_hz)
    infos = known | inspect_all({name: file for name, file in files.items() if name not in known}, rate_hz, nj)
    durations = _check_audio(tables, infos, faults)
    _check_lengths(tables, durations, faults)
    report.duration_s = sum(durations.values())
    return report


def fix_datadir(path: str | Path, report: Report) -> list[dict[str, str]]:
    """Repair a data directory: sort, keep the first of duplicates, drop what cannot be used; the backup is in `.backup/`.

    Returns dropped utterances and dropped second lines, each with its reason; they are added to `dropped.tsv` too. Raises
    DataError where nothing would be left, or a table is missing or not UTF-8.
    """
    path = Path(path)
    faults = [str(fault) for fault in report.faults if fault.kind == "encoding"]
    missing = [name for name in ("wav.scp", "utt2spk") if name not in report.tables]
    faults += [f"{path / name}:1: the file is missing; make it with the data stage (1)" for name in missing]
    if faults:
        raise DataError(f"{path} cannot be repaired; nothing was changed", faults, fix="see each line, then run it again")
    tables = {name: _repaired(table) for name, table in report.tables.items()}
    reasons: dict[str, str] = {}
    for fault in report.fatal:
        if fault.utt:
            reasons.setdefault(fault.utt, f"{Path(fault.place.rsplit(':', 1)[0]).name}: {fault.message}")
    utts = {name: tables[name] for name in UTT_TABLES if name in tables}
    wavs, parsed = tables["wav.scp"], {utt: datadir.parse_segment(line) for utt, line in tables.get("segments", {}).items()}
    segments = {utt: segment for utt, segment in parsed.items() if segment} if "segments" in tables else None
    for utt in parsed.keys() - (segments or {}).keys():
        reasons.setdefault(utt, f"segments: found {tables['segments'][utt]!r}, expected `recording start_s end_s`")
    for utt in c_sorted({*utts["utt2spk"], *utts.get("text", {}), *(wavs if segments is None else segments)}):
        lacking = [name for name, table in utts.items() if utt not in table]
        recording = utt if segments is None else segments[utt].recording if utt in segments else ""
        if lacking or recording not in wavs:
            reasons.setdefault(utt, f"it has no line in {' '.join(lacking) or 'wav.scp'}")
    for name in SPK_TABLES:
        unknown = {utt: spk for utt, spk in utts["utt2spk"].items() if name in tables and spk not in tables[name]}
        for utt, spk in unknown.items():
            reasons.setdefault(utt, f"its speaker {spk} has no line in {name}")
    kept = [utt for utt in utts["utt2spk"] if utt not in reasons]
    if not kept:
        raise DataError(f"{path}: no utterance would be left; nothing was changed", fix="see the faults")
    data = DataDir(
        wavs, utts, {name: tables[name] for name in SPK_TABLES if name in tables},
        {name: datadir.read_ctm_lines(path / name) for name in CTM_FILES if (path / name).exists()}, segments,
        {name: tables[name] for name in REC_TABLES if name in tables},
    )  # fmt: skip
    chosen = datadir.subset(replace(data, utts={**utts, "utt2spk": {u: utts["utt2spk"][u] for u in kept}}), kept)
    count = sum(1 for _ in path.glob(".backup*"))
    backup = path / (f".backup{count}" if count else ".backup")
    backup.mkdir()
    for file in filter(Path.is_file, path.iterdir()):
        shutil.copy2(file, backup)
    seconds = [f"{Path(f.place).name}: {f.message}; the first was kept" for f in report.faults if f.kind == "duplicate"]
    dropped = [{"utt": utt, "reason": reason} for utt, reason in sorted(reasons.items())]
    dropped += [{"utt": line.split("duplicate id ")[1].split(",")[0], "reason": line} for line in seconds]
    before = read_tsv(path / "dropped.tsv") if (path / "dropped.tsv").exists() else []
    datadir.write_datadir(chosen, path)
    write_tsv(path / "dropped.tsv", [*before, *dropped], ("utt", "reason"))
    return dropped


def _repaired(table: Table) -> dict[str, str]:
    """Return the first line of each id, without odd white space and full-width digits."""
    values = table.values
    if table.path.name != "wav.scp":
        values = {key: " ".join(value.split()) for key, value in values.items()}
    if table.path.name in NUMERIC_TABLES:
        values = {key: unicodedata.normalize("NFKC", value) for key, value in values.items()}
    return values
