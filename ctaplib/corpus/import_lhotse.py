"""Import lhotse manifests: `*recordings*.jsonl(.gz)` beside `*supervisions*.jsonl(.gz)`; the end of their names is the set.

Source: https://lhotse.readthedocs.io/en/latest/corpus.html (recordings and supervisions).
"""

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ctaplib.corpus.importing import Found, Importer, ImportOptions, Item, find_audio, gender_of
from ctaplib.errors import DataError

WHOLE_S = 0.05
"""Largest difference of a supervision and its recording that are taken as one, seconds."""


def _manifests(folder: Path, what: str) -> list[Path]:
    return sorted(path for ending in ("jsonl", "jsonl.gz") for path in folder.glob(f"*{what}*.{ending}"))


def _lines(path: Path, faults: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as handle:
            for number, line in enumerate(handle, 1):
                if line.strip():
                    try:
                        yield f"{path}:{number}", json.loads(line)
                    except json.JSONDecodeError as error:
                        faults.append(f"{path}:{number}: it is not JSON ({error})")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        faults.append(f"{path} cannot be read to its end: {error}")


def _audio(recording: dict[str, Any], folders: list[Path]) -> str:
    """Return the file or command of a recording; raise DataError where it is of a kind that cannot be used, or missing."""
    sources = recording.get("sources", [])
    if len(sources) != 1 or recording.get("transforms"):
        raise DataError(f"its recording has {len(sources)} sources, or transforms that lhotse makes on loading")
    kind, value = sources[0].get("type"), str(sources[0].get("source"))
    if kind == "command":
        return f"{value.rstrip().removesuffix('|').rstrip()} |"
    path = find_audio(value, *folders) if kind == "file" else None
    if path is None:
        other = f"its audio is of the type {kind}, not a file"
        raise DataError(f"text without audio: no file {value}" if kind == "file" else other)
    return str(path.absolute())


def _read_pair(recordings: Path, supervisions: Path, set_: str, options: ImportOptions, found: Found) -> None:
    folders = [Path(options.audio_dir)] if options.audio_dir else []
    folders += [Path(), recordings.parent, recordings.parent.parent]
    known = {str(row.get("id")): row for _, row in _lines(recordings, found.faults)}
    used = set()
    for place, row in _lines(supervisions, found.faults):
        try:
            name, recording = str(row["id"]), known[str(row["recording_id"])]
            start, length = float(row["start"]), float(row["duration"])
        except (KeyError, ValueError) as error:
            found.faults.append(f"{place}: no usable {error}")
            continue
        used.add(recording["id"])
        try:
            audio = _audio(recording, folders)
        except DataError as error:
            found.left_out[name] = f"{place}: {error}"
            continue
        whole = start < WHOLE_S and abs(length - float(recording.get("duration", length))) < WHOLE_S
        tables = {"utt2lang": str(row["language"])} if row.get("language") else {}
        text, speaker, gender = (" ".join(str(row.get(key) or "").split()) for key in ("text", "speaker", "gender"))
        item = Item(name, audio, place, text, speaker, gender_of(gender), set_, tables=tables)
        if not whole:
            item = replace(item, recording=str(recording["id"]), start_s=start, end_s=start + length)
        found.items.append(item)
    for name in sorted(known.keys() - used):
        found.left_out[name] = f"{recordings}: audio without text: no supervision"


def _read(source: Path, options: ImportOptions) -> Found:
    found, pairs = Found(), {}
    for path in _manifests(source, "recordings"):
        partner = path.with_name(path.name.replace("recordings", "supervisions"))
        if partner.exists():
            pairs[path.name.split("recordings", 1)[1].split(".")[0].strip("_-")] = path, partner
        else:
            found.faults.append(f"{path} has no {partner.name} beside it")
    if not pairs:
        found.faults.append(f"{source} has no recordings and supervisions of the same name")
    for name, (recordings, supervisions) in pairs.items():
        _read_pair(recordings, supervisions, name if len(pairs) > 1 else "", options, found)
    return found


def _recognises(source: Path) -> bool:
    return source.is_dir() and bool(_manifests(source, "recordings") and _manifests(source, "supervisions"))


IMPORTER = Importer("lhotse's recordings and supervisions (jsonl or jsonl.gz)", _recognises, _read)
