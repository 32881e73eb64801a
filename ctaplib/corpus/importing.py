"""Find the utterances of a corpus: what importers and recipes share.

An importer is a module `ctaplib/corpus/import_<kind>.py` with `IMPORTER`; adding a file adds one.
"""

import glob
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from ctaplib.audio.files import AudioInfo
from ctaplib.config import Config
from ctaplib.errors import DataError
from ctaplib.find import find, names

PREFIX = "import_"
ENCODING_FIX = "convert it, or name its --encoding"
AUDIO = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64", ".sph"})
"""Endings of audio files that libsndfile reads."""
UNREADABLE = frozenset({".m4a", ".aac", ".wma", ".mp4", ".webm", ".amr", ".mkv", ".mov"})
"""Endings of audio files that it does not read."""


class ImportOptions(Config):
    """Layout of a source, as `ctap data import --help` explains it; empty: guessed, or not there."""

    audio_dir: str = ""
    text_suffix: str = ""
    id_column: str = ""
    audio_column: str = ""
    text_column: str = ""
    speaker_column: str = ""
    gender_column: str = ""
    set_column: str = ""
    delimiter: str = ""
    quotes: Literal["enclose", "plain"] = "enclose"
    encoding: str = "utf-8-sig"


@dataclass(frozen=True)
class Item:
    """One utterance of a source."""

    name: str
    """Its id in a recipe; else its name in the source, from which the id is made."""
    audio: str
    """File, or command that ends in `|`; empty where there is none."""
    place: str
    """Where it was found: a file, or file:line, for messages."""
    text: str = ""
    speaker: str = ""
    gender: str = ""
    """`m`, `f`, or empty."""
    set: str = ""
    recording: str = ""
    """Name of its recording in the source, where it is a segment of one."""
    start_s: float = 0.0
    end_s: float | None = None
    """End of that segment; None: the item is the whole file."""
    tables: Mapping[str, str] = field(default_factory=dict)
    """Values of further tables of a data directory."""
    text_file: str = ""
    """File of its text alone, read when the audio is opened; empty where `text` has it, or there is none."""
    reason: str = ""
    """Why it cannot be used; empty where it can, as far as known."""
    info: AudioInfo | None = None
    """What its audio file holds; None until it is opened."""


@dataclass
class Found:
    """Utterances and faults of a source."""

    items: list[Item] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    """Reason of each utterance or file that cannot be used."""
    faults: list[str] = field(default_factory=list)
    """Faults of the source itself; with one of them nothing is imported."""
    has_text: bool = True
    """Whether this kind of source has text."""
    keeps_ids: bool = False
    """Whether ids and speakers stay as they are."""


@dataclass(frozen=True)
class Importer:
    """A kind of source."""

    what: str
    """Description in a few words."""
    recognises: Callable[[Path], bool]
    """Return whether a path is one."""
    read: Callable[[Path, ImportOptions], Found]


def kinds() -> dict[str, Importer]:
    """List all kinds of sources."""
    known = [name.removeprefix(PREFIX) for name in names("corpus") if name.startswith(PREFIX)]
    return {kind: cast(Importer, find("corpus", PREFIX + kind, "IMPORTER")) for kind in known}


def guess_kind(source: Path) -> str:
    """Guess the kind of a source; raise DataError if none (lists the files there) or several kinds match."""
    known = kinds()
    fitting = [kind for kind, importer in known.items() if importer.recognises(source)]
    if len(fitting) == 1:
        return fitting[0]
    expected = "; ".join(f"{kind}: {importer.what}" for kind, importer in known.items())
    found = f"{source} could be {' or '.join(fitting)}" if fitting else f"{source} is none of the known kinds: {holds(source)}"
    raise DataError(found, expected=expected, fix="name the right folder or file, or say which it is with --kind")


def holds(source: Path) -> str:
    """Describe the files of a folder."""
    if source.is_file():
        return f"a file {source.name}"
    endings = Counter(path.suffix.lower() or path.name for path in files_below(source))
    if not endings:
        return "it holds no files"
    counts = ", ".join(f"{count} {ending}" for ending, count in endings.most_common(5))
    folders = sorted(path.name for path in source.iterdir() if path.is_dir())
    return f"it holds {counts}" + (f", in folders {' '.join(folders[:5])}{' ...' if len(folders) > 5 else ''}" if folders else "")


def files_below(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder, in a fixed order, without hidden ones."""
    for place, folders, here in os.walk(folder, followlinks=True):
        folders[:] = sorted((name for name in folders if not name.startswith((".", "__MACOSX"))), key=str.encode)
        for name in sorted(here, key=os.fsencode):
            if not name.startswith("."):
                yield Path(place) / name


def audio_below(folder: Path, left_out: dict[str, str]) -> list[Path]:
    """List all audio files below a folder; those in a form that cannot be read are left out."""
    found = []
    for path in files_below(folder):
        if path.suffix.lower() in AUDIO:
            found.append(path)
        elif path.suffix.lower() in UNREADABLE:
            left_out[str(path)] = f"{path.suffix} cannot be read; convert it, e.g. ffmpeg -i {path.name} {path.stem}.wav"
    return found


def find_audio(value: str, *folders: Path) -> Path | None:
    """Find the audio file of a name: with or without its ending, letters composed or not, in one of several folders."""
    spellings = dict.fromkeys((value, unicodedata.normalize("NFC", value), unicodedata.normalize("NFD", value)))
    for folder in folders:
        for spelt in spellings:
            path = folder / spelt
            if path.is_file():
                return path
            for ending in sorted(AUDIO):
                if (beside := path.with_name(path.name + ending)).is_file():
                    return beside
    return None


def twins_of(path: Path, value: str) -> str:
    """Return a fault where audio is named without its ending and several files have that name; else an empty string."""
    if path.suffix.lower() == Path(value).suffix.lower():
        return ""
    same = sorted(other for other in path.parent.glob(f"{glob.escape(path.stem)}.*") if other.suffix.lower() in AUDIO)
    same = [other for other in same if other.stem == path.stem and other.is_file()]
    return f"{len(same)} audio files for {value}: {' and '.join(map(str, same))}; keep one" if len(same) > 1 else ""


def gender_of(value: str) -> str:
    """Return `f`, `m` or, if neither is recognised, an empty string for the gender given by a source."""
    return {"f": "f", "w": "f", "m": "m"}.get(value.strip().lower()[:1], "")


_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}


def half_width(text: str) -> str:
    """Replace full-width letters, digits and signs (１２３，％) by ASCII."""
    return text if text.isascii() else text.translate(_HALF_WIDTH)


def clean_id(name: str, more: str = "") -> str:
    """Make an id from a name: letters and digits of any script, `_`, `.` and `-` stay, the rest becomes `_`."""
    good = set("._-") - set(more)
    plain = unicodedata.normalize("NFKC", name)
    kept = "".join(c if c.isalnum() or c in good or unicodedata.category(c).startswith("M") else "_" for c in plain)
    return "_".join(part for part in kept.split("_") if part)
