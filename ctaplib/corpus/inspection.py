"""Open the audio files of a corpus, each once, in parallel; keep what was found, so that validation need not decode them again.

`data/<set>/.seen_audio.tsv`: path, size in bytes and time of last change of each file, rate, duration and faults. An entry
holds as long as size and time are the file's. Without this file, every file is opened again.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

from ctaplib.audio.files import AudioFault, AudioInfo, inspect
from ctaplib.audio.source import is_command
from ctaplib.cluster.jobs import map_jobs
from ctaplib.files import atomic_write

NAME = ".seen_audio.tsv"


def inspect_all(paths: Mapping[str, str], rate_hz: int | None, nj: int) -> dict[str, AudioInfo]:
    """Open every audio file, in parallel; return what each name's file holds."""
    found = map_jobs(partial(inspect, rate_hz=rate_hz), list(paths.values()), nj, what="opening audio", chunk=64, at_least=32)
    return dict(zip(paths, found, strict=True))


def odd_rates(infos: Mapping[str, AudioInfo], rate_hz: int | None = None) -> dict[str, int]:
    """Return the expected rate (None: that of most files), by the names of the files that have another."""
    rates = Counter(info.rate_hz for info in infos.values() if info.rate_hz)
    usual = rate_hz or max(rates, key=lambda rate: (rates[rate], rate), default=0)
    return {name: usual for name, info in infos.items() if info.rate_hz not in (0, usual)}


def remember(folder: Path, infos: Iterable[AudioInfo]) -> None:
    """Keep what whole files hold that were opened without an expected rate; commands are run again."""
    with atomic_write(folder / NAME) as out:
        for info in {info.path: info for info in infos}.values():
            if not is_command(info.path):
                faults = json.dumps([asdict(fault) for fault in info.faults]) if info.faults else ""
                out.write(f"{info.path}\t{_mark(info.path)}\t{info.rate_hz}\t{info.duration_s!r}\t{faults}\n")


def recall(folder: Path, files: Mapping[str, str], rate_hz: int | None) -> dict[str, AudioInfo]:
    """Return what is known of those files of a data directory that have not changed since and have the expected rate."""
    path = folder / NAME
    if not path.exists():
        return {}
    known: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        file, *values = line.rsplit("\t", 4)
        known[file] = values
    found = {}
    for name, file in files.items():
        mark, rate, duration, faults = known.get(file, ("", "0", "0", ""))
        try:
            same = bool(mark) and mark == _mark(file)
        except OSError:
            continue
        if same and rate_hz in (None, int(rate)):
            each = tuple(AudioFault(**fault) for fault in json.loads(faults)) if faults else ()
            found[name] = AudioInfo(file, int(rate), float(duration), each)
    return found


def _mark(path: str) -> str:
    status = Path(path).stat()
    return f"{status.st_size}:{status.st_mtime_ns}"
