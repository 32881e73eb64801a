"""The phone cache on disk: a folder for each front end and its settings, with one file for each run that found phones.

A file is written whole under the hash of its content and never changed, so any number of processes can read and add at once, on
any file system. The folder's name is a hash of everything that decides the phones: settings, lexicons, versions of packages, the
front end's data, and our own text modules and tables. A changed setting therefore starts a new folder; old ones can be deleted.
"""

import hashlib
import importlib
import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ctaplib.files import atomic_write
from ctaplib.runs.log import get_logger
from ctaplib.text.frontends import PREFIX, TextConfig, check_frontend

log = get_logger(__name__)
_FOLDERS = ("normalize", "text", "synthetic")
"""Packages whose modules and tables decide the phones, besides `phones.py`."""
_SETTINGS = ("frontend", "language", "accent", "foreign")


@dataclass(frozen=True)
class Entry:
    """The phones of one text, or the reason why it has none.

    Attributes:
        phones: Phones, separated by spaces.
        words: Index of the word of each phone, separated by spaces.
        reason: Why there are no phones.
        unknown: Words in no dictionary, each time that they occur: guessed, or the reason.
    """

    phones: str = ""
    words: str = ""
    reason: str = ""
    unknown: tuple[str, ...] = ()


def fingerprint(config: TextConfig) -> str:
    """Return a hash of everything that decides the phones of a text.

    Raises:
        DependencyError: the front end lacks its data.
        ConfigError: there is no such front end.
    """
    check_frontend(config)
    digest = hashlib.sha256(json.dumps([getattr(config, name) for name in _SETTINGS]).encode())
    for name in {config.frontend, config.foreign if config.language == "zh" else config.frontend} - {""}:
        module = importlib.import_module(f"ctaplib.text.{PREFIX}{name}")
        for package in getattr(module, "PACKAGES", ()):
            digest.update(f"{package} {_version(package)}\n".encode())
        for path in getattr(module, "data_files", tuple)():
            digest.update(path.read_bytes())
    for lexicon in (config.lexicon, config.user_lexicon):
        if lexicon and Path(lexicon).is_file():
            digest.update(Path(lexicon).read_bytes())
        digest.update(b"\0")
    root = Path(__file__).parents[1]
    sources = (path for folder in _FOLDERS for path in sorted((root / folder).iterdir()) if path.is_file())
    for source in (root / "phones.py", *sources):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:20]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


class PhoneCache:
    """The entries of one fingerprint.

    Args:
        folder: Folder of all caches; it is made when the first entries are added.
        config: Front end and settings.
    """

    def __init__(self, folder: Path, config: TextConfig) -> None:
        self._folder = folder / f"{config.frontend}-{fingerprint(config)}"

    def read(self) -> dict[str, Entry]:
        """Return all entries; a damaged file is skipped with a warning."""
        entries: dict[str, Entry] = {}
        for path in sorted(self._folder.glob("*.jsonl")):
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest()[:20] == path.stem:
                for text, values in map(json.loads, content.decode().splitlines()):
                    entries[text] = Entry(**{**values, "unknown": tuple(values["unknown"])})
            else:
                log.warning("%s is damaged and is skipped; it can be deleted", path)
        return entries

    def add(self, entries: Mapping[str, Entry]) -> None:
        """Write entries to a file of their own."""
        lines = [json.dumps([text, asdict(entries[text])], ensure_ascii=False) for text in sorted(entries)]
        content = ("\n".join(lines) + "\n").encode()
        with atomic_write(self._folder / f"{hashlib.sha256(content).hexdigest()[:20]}.jsonl", "wb") as out:
            out.write(content)
