"""Open the audio files of a corpus, each once, in parallel; keep what was found, so that validation need not decode them again.

`data/<set>/.seen_audio.json` has the size in bytes, time of last change, rate, duration and faults of each file. An entry holds
as long as size and time are the file's. Without this file, every file is opened again.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path

from ctaplib.audio.files import AudioFault, AudioInfo, inspect
from ctaplib.audio.source import is_command
from ctaplib.cluster.jobs import map_jobs
from ctaplib.files import write_json

NAME = ".seen_audio.json"


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
    """Cache the results for whole files inspected without an expected rate; those of commands are not cached."""
    write_json(folder / NAME, {info.path: [_mark(info.path), asdict(info)] for info in infos if not is_command(info.path)})


def recall(folder: Path, files: Mapping[str, str], rate_hz: int | None) -> dict[str, AudioInfo]:
    """Return the cached results of the files of a data directory that are unchanged and have the expected rate."""
    path, found = folder / NAME, {}
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name, file in files.items():
        mark, info = known.get(file, ("", {}))
        with suppress(OSError):
            if mark and mark == _mark(file) and rate_hz in (None, info["rate_hz"]):
                faults = tuple(AudioFault(**fault) for fault in info["faults"])
                found[name] = AudioInfo(**{**info, "faults": faults})
    return found


def _mark(path: str) -> str:
    status = Path(path).stat()
    return f"{status.st_size}:{status.st_mtime_ns}"
