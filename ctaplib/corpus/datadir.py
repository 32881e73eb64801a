"""Kaldi data directories: read, write, subset, combine, copy.

A data directory is a folder of tables, one line per utterance or speaker, in LC_ALL=C order: `wav.scp text utt2spk spk2utt`
and, optionally, `segments utt2dur utt2lang spk2gender`. We add `text.phn` (phones), `phn2word` (index of the word of each phone)
and CTM files (phones with times). Other tables that Kaldi and ESPnet know are carried along. Entries of `wav.scp` are files or
commands (`sox a.flac -t wav - |`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from ctaplib.audio.source import is_command
from ctaplib.corpus.shards import deal_evenly, deal_groups
from ctaplib.errors import DataError, counted, shortened
from ctaplib.files import atomic_write, read_table, write_table

UTT_TABLES = (
    "text", "text.norm", "utt2spk", "utt2dur", "utt2lang", "text.phn", "phn2word", "utt2num_frames", "utt2num_samples",
    "utt2uniq", "utt2warp", "feats.scp", "vad.scp", "utt2category", "utt2sid", "utt2lid",
)  # fmt: skip
SPK_TABLES = ("spk2gender", "spk2warp", "cmvn.scp")
REC_TABLES = ("reco2dur", "reco2file_and_channel")
CTM_FILES = ("phones_true.ctm", "phones.ctm")
NORMALIZED = "text.norm"
"""Table that the text stage writes: `text` after normalisation."""


@dataclass(frozen=True)
class Segment:
    """A part of a recording."""

    recording: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class DataDir:
    """All tables of a data directory.

    `utts[name]` is a table by utterance (`text`, `utt2spk`, ...), `spks[name]` one by speaker, `ctms[name]` the lines of a CTM
    file by utterance; `wavs` and `recs[name]` are by recording, which is the utterance where there are no `segments`.
    """

    wavs: Mapping[str, str]
    utts: Mapping[str, Mapping[str, str]]
    spks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    ctms: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    segments: Mapping[str, Segment] | None = None
    recs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def utt_ids(self) -> list[str]:
        """Utterance ids in LC_ALL=C order."""
        return c_sorted(self.utts.get("utt2spk") or self.segments or self.wavs)

    @property
    def speakers(self) -> list[str]:
        """Speaker ids in LC_ALL=C order."""
        return c_sorted(set(self.utts.get("utt2spk", {}).values()))

    def spk2utt(self) -> dict[str, list[str]]:
        """Return the utterances of each speaker, both in LC_ALL=C order."""
        out: dict[str, list[str]] = {spk: [] for spk in self.speakers}
        for utt in self.utt_ids:
            if utt in self.utts.get("utt2spk", {}):
                out[self.utts["utt2spk"][utt]].append(utt)
        return out


def c_sorted(keys: Iterable[str]) -> list[str]:
    """Sort as `LC_ALL=C sort` does: by bytes."""
    return sorted(keys, key=lambda key: key.encode())


def parse_segment(value: str) -> Segment | None:
    """Read the value of a line of `segments`, `recording start_s end_s`; None where it is not of that form."""
    try:
        recording, start, end = value.split()
        return Segment(recording, float(start), float(end))
    except ValueError:
        return None


def parse_segments(path: str | Path) -> dict[str, Segment]:
    """Read `segments`, `utt recording start_s end_s`; raise DataError with all lines that are not of that form."""
    out, faults = {}, []
    for utt, value in read_table(path).items():
        segment = parse_segment(value)
        if segment is None:
            faults.append(f"{path}: {utt}: found {value!r}, expected `recording start_s end_s`")
        elif not 0 <= segment.start_s < segment.end_s:
            faults.append(f"{path}: {utt}: the segment from {segment.start_s} s to {segment.end_s} s is empty or negative")
        else:
            out[utt] = segment
    if faults:
        raise DataError(f"{path} has {counted(len(faults), 'bad line')}", faults)
    return out


@dataclass(frozen=True)
class Span:
    """Audio of an utterance: a file or command, or a segment of it."""

    path: str
    start_s: float = 0.0
    end_s: float | None = None
    """None: the end of the file."""


def resolve(value: str, base: Path) -> str:
    """Resolve a relative path of `wav.scp`: from the working folder, else from the data directory; commands stay."""
    beside = base / value
    return str(beside) if not is_command(value) and not Path(value).exists() and beside.exists() else value


def read_spans(path: str | Path) -> dict[str, Span]:
    """Read the audio of each utterance from `wav.scp` and, optionally, `segments`."""
    path = Path(path)
    wavs = {name: resolve(value, path) for name, value in read_table(path / "wav.scp").items()}
    if not (path / "segments").exists():
        return {utt: Span(wav) for utt, wav in wavs.items()}
    segments = parse_segments(path / "segments")
    missing = [f"{path}/segments: {utt}: no recording {s.recording}" for utt, s in segments.items() if s.recording not in wavs]
    if missing:
        raise DataError(f"{path}/segments names recordings that wav.scp does not have", missing, fix="add them to wav.scp")
    return {utt: Span(wavs[s.recording], s.start_s, s.end_s) for utt, s in segments.items()}


def read_ctm_lines(path: Path) -> dict[str, list[str]]:
    """Read the lines of a CTM file by utterance."""
    lines: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8-sig").split("\n"):
        if line.strip():
            lines.setdefault(line.split(maxsplit=1)[0], []).append(line.rstrip("\r"))
    return lines


def read_datadir(path: str | Path) -> DataDir:
    """Read every known table of a data directory."""
    path = Path(path)
    if not path.is_dir():
        fix = "run the data stage, or name another set"
        raise DataError(f"{path} is not a directory", expected="a Kaldi data directory", fix=fix)
    segments = parse_segments(path / "segments") if (path / "segments").exists() else None
    return DataDir(
        wavs=read_table(path / "wav.scp"),
        utts={name: read_table(path / name) for name in UTT_TABLES if (path / name).exists()},
        spks={name: read_table(path / name) for name in SPK_TABLES if (path / name).exists()},
        ctms={name: read_ctm_lines(path / name) for name in CTM_FILES if (path / name).exists()},
        segments=segments,
        recs={name: read_table(path / name) for name in REC_TABLES if (path / name).exists()},
    )


def write_datadir(data: DataDir, path: str | Path, *, alone: bool = False) -> None:
    """Write every table, sorted, each file whole or not at all; `spk2utt` is derived from `utt2spk`.

    Segments and tables of recordings of an earlier directory are removed, for they would give its recordings another meaning;
    with `alone` all its other tables too, those that later stages add included.
    """
    path = Path(path)
    kept = {*data.utts, *data.spks, *data.ctms, *data.recs, *(["segments"] if data.segments is not None else [])}
    for name in {"segments", *REC_TABLES, *((*UTT_TABLES, *SPK_TABLES, *CTM_FILES) if alone else ())} - kept:
        (path / name).unlink(missing_ok=True)
    write_table(path / "wav.scp", data.wavs)
    if data.segments is not None:
        # Times without rounding and without an exponent.
        times = {u: [f"{Decimal(repr(t)).normalize():f}" for t in (s.start_s, s.end_s)] for u, s in data.segments.items()}
        write_table(path / "segments", {u: " ".join([s.recording, *times[u]]) for u, s in data.segments.items()})
    for name, table in (*data.utts.items(), *data.spks.items(), *data.recs.items()):
        write_table(path / name, table)
    if "utt2spk" in data.utts:
        write_table(path / "spk2utt", {spk: " ".join(utts) for spk, utts in data.spk2utt().items()})
    for name, ctm in data.ctms.items():
        with atomic_write(path / name) as out:
            for utt in c_sorted(ctm):
                out.writelines(line.rstrip("\n") + "\n" for line in ctm[utt])


def subset(data: DataDir, utts: Collection[str]) -> DataDir:
    """Keep the given utterances, with their recordings and speakers; raise DataError where some do not exist."""
    chosen = set(utts)
    missing = c_sorted(chosen - set(data.utt_ids))
    if missing:
        found = f"{counted(len(missing), 'utterance is', 'utterances are')} not in the data directory"
        raise DataError(found, shortened(missing), fix="correct the list")
    segments = None if data.segments is None else {u: s for u, s in data.segments.items() if u in chosen}
    recordings = chosen if segments is None else {s.recording for s in segments.values()}
    speakers = {spk for utt, spk in data.utts.get("utt2spk", {}).items() if utt in chosen}

    def kept(tables: Mapping[str, Mapping], keys: Collection[str]) -> dict[str, dict]:
        return {name: {key: value for key, value in table.items() if key in keys} for name, table in tables.items()}

    wavs = {recording: path for recording, path in data.wavs.items() if recording in recordings}
    ctms, recs = kept(data.ctms, chosen), kept(data.recs, recordings)
    return DataDir(wavs, kept(data.utts, chosen), kept(data.spks, speakers), ctms, segments, recs)


def subset_by_speakers(data: DataDir, speakers: Collection[str]) -> DataDir:
    """Keep all utterances of the given speakers."""
    unknown = c_sorted(set(speakers) - set(data.speakers))
    if unknown:
        raise DataError(f"speakers that the data directory does not have: {' '.join(unknown)}", fix="correct the list")
    return subset(data, [u for u, s in data.utts["utt2spk"].items() if s in set(speakers)])


def combine(parts: Sequence[DataDir], names: Sequence[str] = ()) -> DataDir:
    """Join data directories, as Kaldi's combine_data.sh does; `names` are theirs, for messages.

    A table that not all of them have is left out. Where only some have segments, the utterances of the others become segments of
    the length in their `utt2dur`; where only some have `utt2uniq`, the utterances of the others are their own. Raises DataError
    where an id occurs in two of them with different values.
    """
    names = list(names) or [f"directory {number}" for number in range(1, len(parts) + 1)]
    if any(part.segments is not None for part in parts):
        parts = [part if part.segments is not None else _as_segments(part, name) for part, name in zip(parts, names)]
    if any("utt2uniq" in part.utts for part in parts):
        own = [{"utt2uniq": {utt: utt for utt in part.utt_ids}} for part in parts]
        parts = [replace(part, utts={**each, **part.utts}) for part, each in zip(parts, own)]
    faults: list[str] = []

    def join(tables: Sequence[Mapping], what: str) -> dict:
        out: dict = {}
        first: dict[str, str] = {}
        for table, name in zip(tables, names):
            for key, value in table.items():
                if key in out and out[key] != value:
                    faults.append(f"{what}: {key} occurs twice, with different values: in {first[key]} and in {name}")
                else:
                    out[key] = value
                    first[key] = name
        return out

    def common(attribute: str) -> dict:
        tables = [getattr(part, attribute) for part in parts]
        shared = [name for name in tables[0] if all(name in table for table in tables)]
        return {name: join([table[name] for table in tables], name) for name in shared}

    with_segments = any(part.segments is not None for part in parts)
    out = DataDir(
        join([part.wavs for part in parts], "wav.scp"), common("utts"), common("spks"), common("ctms"),
        join([part.segments or {} for part in parts], "segments") if with_segments else None, common("recs"),
    )  # fmt: skip
    if faults:
        more = " --rename-recordings" if with_segments else ""
        fix = f"give the ids of one of them a prefix: ctap kaldi copy_data_dir --utt-prefix x- --spk-prefix x-{more} <from> <to>"
        raise DataError(f"the data directories do not fit together: {counted(len(faults), 'clash', 'clashes')}", faults, fix=fix)
    return out


def combine_folders(sources: Sequence[Path], target: Path) -> tuple[DataDir, list[str]]:
    """Join data directories into `target`; return what was written, and the tables left out because not all sources have them."""
    parts = [read_datadir(path) for path in sources]
    joined = combine(parts, [str(path) for path in sources])
    write_datadir(joined, target, alone=True)
    kept = joined.utts.keys() | joined.spks.keys() | joined.ctms.keys() | joined.recs.keys()
    names = {n for part in parts for table in (part.utts, part.spks, part.ctms, part.recs) for n in table}
    return joined, sorted(names - kept)


def _as_segments(data: DataDir, name: str) -> DataDir:
    """Make every utterance a segment that covers its recording."""
    durations = data.utts.get("utt2dur", {})
    missing = [utt for utt in data.utt_ids if utt not in durations]
    if missing:
        found = f"others have segments, and {name} has neither segments nor, for {missing[0]}, a line in utt2dur"
        raise DataError(found, fix=f"ctap kaldi get_utt2dur {name}")
    return replace(data, segments={utt: Segment(utt, 0.0, float(durations[utt])) for utt in data.utt_ids})


def copy(
    data: DataDir,
    *,
    utt_prefix: str = "",
    spk_prefix: str = "",
    utt_suffix: str = "",
    spk_suffix: str = "",
    rename_recordings: bool = True,
) -> DataDir:
    """Copy with prefixes and suffixes on the ids of utterances and speakers.

    Recordings get those of utterances, unless there are segments and `rename_recordings` is off (as in Kaldi's copy_data_dir.sh).
    """

    def utt(name: str) -> str:
        return utt_prefix + name + utt_suffix

    def rec(name: str) -> str:
        return utt(name) if rename_recordings or data.segments is None else name

    def spk(name: str) -> str:
        return spk_prefix + name + spk_suffix

    def renamed(line: str, name: str) -> str:
        return utt(name) + line[line.index(name) + len(name) :]

    utts = {name: {utt(u): (spk(v) if name == "utt2spk" else v) for u, v in table.items()} for name, table in data.utts.items()}
    ctms = {name: {utt(u): [renamed(line, u) for line in lines] for u, lines in ctm.items()} for name, ctm in data.ctms.items()}
    segments = None
    if data.segments is not None:
        segments = {utt(u): replace(s, recording=rec(s.recording)) for u, s in data.segments.items()}
    return DataDir(
        {rec(r): v for r, v in data.wavs.items()}, utts,
        {name: {spk(s): v for s, v in table.items()} for name, table in data.spks.items()}, ctms, segments,
        {name: {rec(r): v for r, v in table.items()} for name, table in data.recs.items()},
    )  # fmt: skip


def split(data: DataDir, parts: int, *, by_speaker: bool = False) -> list[DataDir]:
    """Split by utterances, or by whole speakers, into consecutive parts of nearly equal size, none empty, as Kaldi does."""
    groups = list(data.spk2utt().values()) if by_speaker else [[utt] for utt in data.utt_ids]
    parts = max(1, min(parts, len(groups)))
    shares = deal_groups([len(own) for own in groups], parts) if by_speaker else deal_evenly(len(groups), parts)
    return [subset(data, [utt for group in share for utt in groups[group]]) for share in shares]


def read_words(folder: Path) -> dict[str, str]:
    """Read the normalised words of a data directory: `text.norm`, or `text` where the text stage has not run.

    Word pieces and error rates are made from them, so that numbers, capitals and punctuation are no errors.
    """
    path = folder / NORMALIZED
    return read_table(path if path.exists() else folder / "text")
