"""Copies of a data directory at other speeds, with ids, speakers and recordings prefixed as Kaldi does (`sp0.9-`).

Speed and pitch change together, as on a tape that runs faster or slower.

Source: Ko, Peddinti, Povey and Khudanpur, Audio augmentation for speech recognition, 2015, section 2 (speed perturbation).
"""

import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from ctaplib.audio.files import read_audio, resample, write_audio
from ctaplib.audio.source import is_command
from ctaplib.cluster.jobs import map_jobs
from ctaplib.corpus.alignment import Alignment, Interval
from ctaplib.corpus.datadir import DataDir, Segment, combine, copy, read_datadir, read_spans, write_datadir
from ctaplib.corpus.inspection import inspect_all
from ctaplib.errors import AudioError, DataError, DependencyError

NOT_KEPT = frozenset({"utt2num_frames", "utt2num_samples", "feats.scp", "vad.scp", "cmvn.scp"})
"""Tables of what was computed from audio that has changed."""


def durations(path: Path, data: DataDir, nj: int) -> dict[str, float]:
    """Return the seconds of every utterance: from `utt2dur`, from segments, else from the audio (DataError with all faults)."""
    if "utt2dur" in data.utts:
        return {utt: float(value) for utt, value in data.utts["utt2dur"].items()}
    if data.segments is not None:
        return {utt: segment.end_s - segment.start_s for utt, segment in data.segments.items()}
    infos = inspect_all({utt: span.path for utt, span in read_spans(path).items()}, None, nj)
    faults = [f"{path}/wav.scp: {utt}: {f.message}" for utt, info in infos.items() for f in info.faults if f.fatal]
    if faults:
        raise DataError(f"{path} has audio that cannot be used", faults, fix=f"ctap kaldi fix_data_dir {path}")
    return {utt: info.duration_s for utt, info in infos.items()}


def perturb_set(
    source: str | Path,
    target: str | Path,
    factors: Sequence[str],
    *,
    tool: str = "soxr",
    nj: int = 1,
    with_speakers: bool = True,
    always_prefix: bool = False,
) -> DataDir:
    """Write a data directory that holds a set at several speeds, at 1.0 as it is; return it.

    A factor is written as in the prefix of ids: `0.9` gives `sp0.9-`; the original gets one too if `always_prefix`, and speakers
    get it if `with_speakers`. `sox` writes commands into `wav.scp`, and audio nowhere; `soxr` writes files into
    `<target>/wav`.
    """
    source, target = Path(source), Path(target)
    if source.resolve() == target.resolve():
        raise DataError(f"{source} would be overwritten by its copy", expected="two different directories")
    speeds = [_speed(factor) for factor in factors]
    if not speeds or len(set(speeds)) < len(speeds):
        raise DataError(f"the speeds are {' '.join(factors) or 'none'}", expected="different ones, such as 0.9 1.0 1.1")
    data, parts = read_datadir(source), []
    lengths = durations(source, data, nj)
    recordings = _recordings(source, data)
    originals = {"utt2uniq": data.utts.get("utt2uniq", {utt: utt for utt in data.utt_ids})}
    for factor, speed in zip(factors, speeds):
        prefix, copied = f"sp{factor}-", _at_speed(replace(data, wavs=recordings), lengths, speed)
        if speed == 1.0 and not always_prefix:
            parts.append(copied)
            continue
        copied = replace(copied, utts={**copied.utts, **originals})
        if speed == 1.0:
            parts.append(copy(copied, utt_prefix=prefix, spk_prefix=prefix, rename_recordings=False))
            continue
        copied = copy(copied, utt_prefix=prefix, spk_prefix=prefix if with_speakers else "")
        wavs = {prefix + name: path for name, path in recordings.items()}
        wavs = _commands(wavs, factor) if tool == "sox" else _files(wavs, factor, target / "wav" / f"sp{factor}", nj)
        parts.append(replace(copied, wavs=wavs))
    joined = combine(parts, [f"{source} at {factor}" for factor in factors])
    write_datadir(joined, target)
    return joined


def _at_speed(data: DataDir, lengths: Mapping[str, float], speed: float) -> DataDir:
    """Return the tables at another speed, without those of what was computed from the audio."""
    utts, spks = ({n: t for n, t in tables.items() if n not in NOT_KEPT} for tables in (data.utts, data.spks))
    utts["utt2dur"] = {utt: f"{length / speed:.4f}" for utt, length in lengths.items()}
    if speed == 1.0:
        return replace(data, utts=utts)
    segments = None
    if data.segments is not None:
        segments = {u: Segment(s.recording, s.start_s / speed, s.end_s / speed) for u, s in data.segments.items()}
    return replace(
        data, utts=utts, spks=spks, segments=segments,
        ctms={name: {u: [_stretch(line, speed) for line in lines] for u, lines in c.items()} for name, c in data.ctms.items()},
        recs={n: {r: f"{float(v) / speed:.4f}" if n == "reco2dur" else v for r, v in t.items()} for n, t in data.recs.items()},
    )  # fmt: skip


def align_copies(given: Mapping[str, Alignment], utt2uniq: Mapping[str, str]) -> dict[str, Alignment]:
    """Add the alignments of copies at another speed (`sp0.9-<utt>`), made from the original's."""
    out = dict(given)
    for utt, original in utt2uniq.items():
        prefix = re.fullmatch(r"sp([0-9.]+)-", utt.removesuffix(original))
        if utt not in out and original in out and prefix:
            speed = float(prefix[1])
            out[utt] = [Interval(phone, start_s / speed, end_s / speed) for phone, start_s, end_s in out[original]]
    return out


def _speed(factor: str) -> float:
    try:
        speed = float(factor)
    except ValueError:
        speed = 0.0
    if not (factor.isascii() and 0.1 <= speed <= 10):
        raise DataError(f"{factor!r} is no speed", expected="a number such as 0.9, from 0.1 to 10")
    return speed


def _stretch(line: str, speed: float) -> str:
    """Return a line of a CTM (`utt channel start_s duration_s phone`) at another speed."""
    utt, channel, start, duration, *rest = line.split()
    first, last = (round(t / speed, 4) for t in (float(start), float(start) + float(duration)))
    return " ".join([utt, channel, f"{first:.4f}", f"{last - first:.4f}", *rest])


def _recordings(source: Path, data: DataDir) -> dict[str, str]:
    """Return the audio of every recording, files by their absolute path."""
    names = {utt: segment.recording for utt, segment in (data.segments or {}).items()}
    paths = {names.get(utt, utt): span.path for utt, span in read_spans(source).items()}
    return {name: path if is_command(path) else str(Path(path).absolute()) for name, path in paths.items()}


def _commands(wavs: dict[str, str], factor: str) -> dict[str, str]:
    if shutil.which("sox") is None:
        raise DependencyError("sox is not installed", fix="apt-get install sox, or take --tool soxr, which writes files")
    changed = f"sox -t wav - -t wav - speed {factor} |"
    return {
        name: f"{path} {changed}" if is_command(path) else f"sox {shlex.quote(path)} -t wav - speed {factor} |"
        for name, path in wavs.items()
    }


def _files(wavs: dict[str, str], factor: str, folder: Path, nj: int) -> dict[str, str]:
    jobs = [(path, folder / f"{name}.wav") for name, path in wavs.items()]
    work = partial(_resample, speed=float(factor))
    faults = map_jobs(work, jobs, nj, what=f"speed {factor} of {folder.parent.name}", chunk=16, at_least=9)
    found = [fault for fault in faults if fault]
    if found:
        raise DataError(f"{len(found)} recordings cannot be read", found, fix="correct or leave them out, then run it again")
    return {name: str((folder / f"{name}.wav").absolute()) for name in wavs}


def _resample(job: tuple[str, Path], speed: float) -> str:
    """Write one recording at another speed; return the fault, if any."""
    path, out = job
    try:
        wave, rate_hz = read_audio(path)
    except AudioError as error:
        return str(error)
    write_audio(out, resample(wave, rate_hz * speed, rate_hz), rate_hz)
    return ""
