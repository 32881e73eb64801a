"""Kaldi data directories: read, write, subset, combine, copy.

A data directory is a folder of small tables, one line per utterance or speaker, in LC_ALL=C order:
`wav.scp text utt2spk spk2utt` and, where there are any, `segments utt2dur utt2lang spk2gender`, to which we add `text.phn`
(phones), `phn2word` (the word that each phone belongs to) and CTM files (phones with times).
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ctaplib.errors import DataError
from ctaplib.files import atomic_write, read_table, write_table

UTT_TABLES = ("text", "utt2spk", "utt2dur", "utt2lang", "text.phn", "phn2word", "utt2num_frames")
SPK_TABLES = ("spk2gender",)
CTM_FILES = ("phones_true.ctm", "phones.ctm")
TSV_FILES = ("dropped.tsv",)


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording."""

    recording: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class DataDir:
    """All tables of a data directory, in memory.

    `utts[name]` is a table by utterance (`text`, `utt2spk`, ...), `spks[name]` one by speaker, `ctms[name]` the lines of a CTM
    file by utterance. `wavs` is by recording: the utterance itself where there are no `segments`.
    """

    wavs: Mapping[str, str]
    utts: Mapping[str, Mapping[str, str]]
    spks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    ctms: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    segments: Mapping[str, Segment] | None = None

    @property
    def utt_ids(self) -> list[str]:
        """Utterance ids in LC_ALL=C order."""
        return c_sorted(self.utts.get("utt2spk") or self.segments or self.wavs)

    @property
    def speakers(self) -> list[str]:
        """Speaker ids in LC_ALL=C order."""
        return c_sorted(set(self.utts.get("utt2spk", {}).values()))

    def spk2utt(self) -> dict[str, list[str]]:
        """Utterances of each speaker, both in LC_ALL=C order."""
        out: dict[str, list[str]] = {spk: [] for spk in self.speakers}
        for utt in self.utt_ids:
            if utt in self.utts.get("utt2spk", {}):
                out[self.utts["utt2spk"][utt]].append(utt)
        return out


def c_sorted(keys: Iterable[str]) -> list[str]:
    """Sort as `LC_ALL=C sort` does: by bytes."""
    return sorted(keys, key=lambda key: key.encode())


def parse_segments(path: str | Path) -> dict[str, Segment]:
    """Read `segments`: `utt recording start_s end_s`.

    Raises:
        DataError: lines that are not of that form, all of them.
    """
    out, faults = {}, []
    for utt, value in read_table(path).items():
        try:
            recording, start, end = value.split()
            out[utt] = Segment(recording, float(start), float(end))
        except ValueError:
            faults.append(f"{path}: {utt}: found {value!r}, expected `recording start_s end_s`")
            continue
        if not 0 <= out[utt].start_s < out[utt].end_s:
            faults.append(f"{path}: {utt}: the segment from {start} s to {end} s is empty or negative")
    if faults:
        raise DataError(f"{path} has {len(faults)} bad lines", faults)
    return out


@dataclass(frozen=True)
class Span:
    """Where the audio of an utterance is: a file, or a stretch of it."""

    path: str
    start_s: float = 0.0
    end_s: float | None = None
    """None: the end of the file."""


def read_spans(path: str | Path) -> dict[str, Span]:
    """Give the audio of each utterance of a data directory, from `wav.scp` and, where there are any, `segments`.

    Raises:
        DataError: a segment names a recording that `wav.scp` does not have.
    """
    path = Path(path)
    wavs = read_table(path / "wav.scp")
    if not (path / "segments").exists():
        return {utt: Span(wav) for utt, wav in wavs.items()}
    segments = parse_segments(path / "segments")
    missing = [f"{path}/segments: {utt}: no recording {s.recording}" for utt, s in segments.items() if s.recording not in wavs]
    if missing:
        raise DataError(f"{path}/segments names recordings that wav.scp does not have", missing, fix="add them to wav.scp")
    return {utt: Span(wavs[s.recording], s.start_s, s.end_s) for utt, s in segments.items()}


def _read_ctm_lines(path: Path) -> dict[str, list[str]]:
    lines: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            lines.setdefault(line.split(maxsplit=1)[0], []).append(line)
    return lines


def read_datadir(path: str | Path) -> DataDir:
    """Read every known table of a data directory.

    Raises:
        DataError: the directory or its `wav.scp` is missing, or a table is malformed.
    """
    path = Path(path)
    if not path.is_dir():
        raise DataError(
            f"{path} is not a directory", expected="a Kaldi data directory", fix="run the data stage, or name another set"
        )
    segments = parse_segments(path / "segments") if (path / "segments").exists() else None
    return DataDir(
        wavs=read_table(path / "wav.scp"),
        utts={name: read_table(path / name) for name in UTT_TABLES if (path / name).exists()},
        spks={name: read_table(path / name) for name in SPK_TABLES if (path / name).exists()},
        ctms={name: _read_ctm_lines(path / name) for name in CTM_FILES if (path / name).exists()},
        segments=segments,
    )


def write_datadir(data: DataDir, path: str | Path) -> None:
    """Write every table, sorted, each file whole or not at all; `spk2utt` is derived from `utt2spk`."""
    path = Path(path)
    write_table(path / "wav.scp", data.wavs)
    if data.segments is not None:
        write_table(path / "segments", {u: f"{s.recording} {s.start_s:g} {s.end_s:g}" for u, s in data.segments.items()})
    for name, table in (*data.utts.items(), *data.spks.items()):
        write_table(path / name, table)
    if "utt2spk" in data.utts:
        write_table(path / "spk2utt", {spk: " ".join(utts) for spk, utts in data.spk2utt().items()})
    for name, ctm in data.ctms.items():
        with atomic_write(path / name) as out:
            for utt in c_sorted(ctm):
                out.writelines(line.rstrip("\n") + "\n" for line in ctm[utt])


def subset(data: DataDir, utts: Collection[str]) -> DataDir:
    """Keep the given utterances, and of recordings and speakers those that they use.

    Raises:
        DataError: utterances that the directory does not have, all of them.
    """
    wanted = set(utts)
    missing = c_sorted(wanted - set(data.utt_ids))
    if missing:
        raise DataError(f"{len(missing)} utterances are not in the data directory", missing[:20], fix="correct the list")
    segments = None if data.segments is None else {u: s for u, s in data.segments.items() if u in wanted}
    recordings = wanted if segments is None else {s.recording for s in segments.values()}
    kept_utts = {name: {u: v for u, v in table.items() if u in wanted} for name, table in data.utts.items()}
    speakers = set(kept_utts.get("utt2spk", {}).values())
    return replace(
        data,
        wavs={r: v for r, v in data.wavs.items() if r in recordings},
        utts=kept_utts,
        spks={name: {s: v for s, v in table.items() if s in speakers} for name, table in data.spks.items()},
        ctms={name: {u: v for u, v in ctm.items() if u in wanted} for name, ctm in data.ctms.items()},
        segments=segments,
    )


def subset_by_speakers(data: DataDir, speakers: Collection[str]) -> DataDir:
    """Keep all utterances of the given speakers."""
    unknown = c_sorted(set(speakers) - set(data.speakers))
    if unknown:
        raise DataError(f"speakers that the data directory does not have: {' '.join(unknown)}", fix="correct the list")
    return subset(data, [u for u, s in data.utts["utt2spk"].items() if s in set(speakers)])


def combine(parts: Sequence[DataDir]) -> DataDir:
    """Join data directories. A table that not all of them have is left out, as Kaldi's combine_data.sh does.

    Raises:
        DataError: an id occurs in two of them with different values.
    """
    faults: list[str] = []

    def join(tables: Sequence[Mapping], what: str) -> dict:
        out: dict = {}
        for table in tables:
            for key, value in table.items():
                if key in out and out[key] != value:
                    faults.append(f"{what}: {key} occurs twice, with different values")
                out[key] = value
        return out

    def common(attribute: str) -> dict:
        tables = [getattr(part, attribute) for part in parts]
        names = [name for name in tables[0] if all(name in table for table in tables)]
        return {name: join([table[name] for table in tables], name) for name in names}

    with_segments = any(part.segments is not None for part in parts)
    segments = None
    if with_segments:
        if not all(part.segments is not None for part in parts):
            raise DataError("some of the data directories have segments and some have none", fix="make segments for all or none")
        segments = join([part.segments or {} for part in parts], "segments")
    out = DataDir(join([p.wavs for p in parts], "wav.scp"), common("utts"), common("spks"), common("ctms"), segments)
    if faults:
        raise DataError(f"the data directories do not fit together: {len(faults)} clashes", faults)
    return out


def copy(data: DataDir, *, utt_prefix: str = "", spk_prefix: str = "") -> DataDir:
    """Give all utterances, recordings and speakers new prefixes (used before speed perturbation and joining corpora)."""
    if not utt_prefix and not spk_prefix:
        return data

    def spk(name: str) -> str:
        return spk_prefix + name

    utts = {
        name: {utt_prefix + u: (spk(v) if name == "utt2spk" else v) for u, v in table.items()}
        for name, table in data.utts.items()
    }
    ctms = {
        name: {utt_prefix + u: [utt_prefix + line for line in lines] for u, lines in ctm.items()}
        for name, ctm in data.ctms.items()
    }
    segments = None
    if data.segments is not None:
        segments = {utt_prefix + u: replace(s, recording=utt_prefix + s.recording) for u, s in data.segments.items()}
    return DataDir(
        {utt_prefix + r: v for r, v in data.wavs.items()}, utts,
        {name: {spk(s): v for s, v in table.items()} for name, table in data.spks.items()}, ctms, segments,
    )  # fmt: skip


def split(data: DataDir, parts: int) -> list[DataDir]:
    """Split by utterances into consecutive parts of nearly equal size, never an empty one."""
    utts = data.utt_ids
    parts = max(1, min(parts, len(utts)))
    edges = [len(utts) * k // parts for k in range(parts + 1)]
    return [subset(data, utts[a:b]) for a, b in zip(edges, edges[1:])]


def backup(path: str | Path, to: str | Path) -> None:
    """Copy the plain files of a data directory to another folder before it is changed."""
    target = Path(to)
    target.mkdir(parents=True, exist_ok=True)
    for file in Path(path).iterdir():
        if file.is_file():
            shutil.copy2(file, target / file.name)
