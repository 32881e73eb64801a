"""What the data stage saw in audio files, so that validation need not decode the same files once more.

`data/<set>/.seen_audio.tsv`: path, size in bytes and time of last change of each file, rate, duration and faults. An entry
holds for as long as size and time are the file's; without this file, everything is looked at again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from ctaplib.audio.files import AudioFault, AudioInfo
from ctaplib.files import atomic_write

NAME = ".seen_audio.tsv"


def _mark(path: str) -> str:
    status = Path(path).stat()
    return f"{status.st_size}:{status.st_mtime_ns}"


def remember(folder: Path, infos: Iterable[AudioInfo]) -> None:
    """Keep what was seen in whole files, looked at without an expected rate."""
    with atomic_write(folder / NAME) as out:
        for info in infos:
            faults = json.dumps([asdict(fault) for fault in info.faults]) if info.faults else ""
            out.write(f"{info.path}\t{_mark(info.path)}\t{info.rate_hz}\t{info.duration_s!r}\t{faults}\n")


def recall(folder: Path, files: Mapping[str, str], rate_hz: int | None) -> dict[str, AudioInfo]:
    """Give what is known of those files (by name) that have not changed since.

    Args:
        folder: the data directory.
        files: path of each recording.
        rate_hz: the rate that is expected; a file of another rate is to be looked at again.
    """
    path = folder / NAME
    if not path.exists():
        return {}
    known: dict[str, tuple[str, str, str, str]] = {}
    for line in path.read_text(encoding="utf-8").rstrip("\n").split("\n"):
        file, mark, rate, duration, faults = line.rsplit("\t", 4)
        known[file] = (mark, rate, duration, faults)
    found = {}
    for name, file in ((name, str(file)) for name, file in files.items()):
        mark, rate, duration, faults = known.get(file, ("", "0", "0", ""))
        try:
            same = bool(mark) and mark == _mark(file)
        except OSError:
            continue
        if same and rate_hz in (None, int(rate)):
            each = tuple(AudioFault(**fault) for fault in json.loads(faults)) if faults else ()
            found[name] = AudioInfo(file, int(rate), float(duration), each)
    return found
