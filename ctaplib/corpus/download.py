"""Fetch and unpack a corpus: print licence and size first, try mirrors in turn, resume, verify checksums.

After a mirror that cannot be reached, cuts the connection, or sends a page, another size or another checksum, the next one is
tried. What was fetched stays in `<archive>.part` and is resumed by range requests, in the same call or the next.
"""

import hashlib
import shutil
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Literal

from pydantic import Field

from ctaplib.config import Config, load_config
from ctaplib.corpus.transfer import NotTheFile, discard, finish, transfer
from ctaplib.corpus.unpack import unpack
from ctaplib.errors import ConfigError, DataError, DependencyError
from ctaplib.files import atomic_write
from ctaplib.runs.log import get_logger

log = get_logger(__name__)
SPACE = 2.5
"""Required free space as a multiple of the archives' size: archives and content (WAV is larger than its archive)."""
WORTH_ANOTHER_TRY = 1 << 20
"""Bytes that an interrupted transfer must have added for the same mirror to be retried at once."""


class Archive(Config):
    """One file of a corpus; its name is appended to each mirror's address."""

    name: str
    part: str = ""
    """Name for `--only`; empty: its file name."""
    size_bytes: int = Field(default=0, ge=0)
    """Size in bytes; 0 where it is not published."""
    about_bytes: int = Field(default=0, ge=0)
    """Approximate size, for the message and the disk, where the exact one is not known."""
    sha256: str = ""
    """Checksum; empty where none is published: then that of the first download is kept and later ones must agree."""
    md5: str = ""
    """MD5, where the publisher gives that."""


class Corpus(Config):
    """Where a corpus is published, and on what terms."""

    name: str
    licence: str
    """Name or address of the licence, as the publisher states it."""
    about: str
    """Address of the page that describes the corpus."""
    mirrors: list[str]
    """Folders to fetch from, tried in this order."""
    archives: list[Archive]
    unpacks_to: str
    """Folder of the target that exists when all is unpacked."""
    into: str = ""
    """Folder of the target that archives are unpacked to; empty: the target itself (they bring their own folder)."""


def fetch_corpus(description: str | Path, target: str | Path, mirrors: Sequence[str] = (), only: Sequence[str] = ()) -> Path:
    """Fetch and unpack a corpus (a YAML file with a `Corpus`), or what is missing of it; return its folder.

    `mirrors` are tried first, `only` names the parts to fetch (none: all). Raises ConfigError where there is no such part,
    DependencyError where no mirror can be reached, DataError where none has the right file, the disk is too small, an archive is
    broken or unsafe, or the corpus is there already and was not fetched by this command.
    """
    corpus, target = load_config(Corpus, description), Path(target)
    done = target / corpus.unpacks_to
    parts = {archive.part or archive.name: archive for archive in corpus.archives}
    unknown = [name for name in only if name not in parts]
    if unknown:
        raise ConfigError(f"{corpus.name} has no part {' '.join(unknown)}", expected=" ".join(parts))
    chosen = [archive for part, archive in parts.items() if not only or part in only]
    sizes = [archive.size_bytes or archive.about_bytes for archive in chosen]
    known = f"{sum(sizes) / 1e6:,.0f} MB" if all(sizes) else "size not stated"
    named = f" ({', '.join(archive.part or archive.name for archive in chosen)})" if len(corpus.archives) > 1 else ""
    print(f"{corpus.name}{named}: {known}; licence: {corpus.licence}; see {corpus.about}", flush=True)
    left = [archive for archive in chosen if not (_marker(archive, target).exists() and done.is_dir())]
    if not left:
        print(f"{done} is there already.")
        return done
    if done.is_dir() and not any(_was_here(archive, target) for archive in corpus.archives):
        found, expected = f"{done} is there, but was not unpacked by this command", "no such folder, or one of this command's"
        fix = "go on with stage 1 if it is whole; else move it away and run the same command again"
        raise DataError(found, expected=expected, fix=fix)
    target.mkdir(parents=True, exist_ok=True)
    check_space(left, target)
    for archive in left:
        path = fetch(archive, target, [*mirrors, *corpus.mirrors], corpus.about)
        log.info("%s: unpacking", path)
        begun = _marker(archive, target, "begun")
        begun.touch()
        unpack(path, target / corpus.into)
        pin(archive, path)
        with atomic_write(_marker(archive, target)) as out:
            out.write("unpacked\n")
        begun.unlink()
    if not done.is_dir():
        raise DataError(f"the archives of {corpus.name} hold no folder {corpus.unpacks_to}", fix=f"see the content of {target}")
    return done


def _was_here(archive: Archive, target: Path) -> bool:
    """Return whether an earlier call unpacked this archive, began to, or kept its checksum."""
    traces = (_marker(archive, target), _marker(archive, target, "begun"), target / f"{archive.name}.sha256")
    return any(path.exists() for path in traces)


def _marker(archive: Archive, target: Path, kind: str = "unpacked") -> Path:
    return target / f".{archive.name}.{kind}"


def check_space(archives: Sequence[Archive], target: Path) -> None:
    """Raise DataError where the disk has no space for the archives and their content."""
    needed = 0.0
    for archive in archives:
        size = archive.size_bytes or archive.about_bytes
        there = max((p.stat().st_size for p in (target / archive.name, target / f"{archive.name}.part") if p.exists()), default=0)
        needed += SPACE * size - min(there, size)
    free = shutil.disk_usage(target).free
    if free < needed:
        expected = f"about {needed / 1e6:,.0f} MB for archives and what they hold"
        fix = "free some, or give --corpus_dir on another disk"
        raise DataError(f"{target} has {free / 1e6:,.0f} MB left", expected=expected, fix=fix)


def fetch(archive: Archive, target: Path, mirrors: Sequence[str], about: str = "") -> Path:
    """Fetch one archive from the first mirror that has the right file; resume an earlier try.

    Raises DependencyError where no mirror can be reached or sends it whole (with the answer of each), DataError where mirrors
    answer, but none with the right file, or where another file is there already. `about` is the page to fetch it from by hand.
    """
    path, partial = target / archive.name, target / f"{archive.name}.part"
    if path.exists():
        verify(archive, path)
        return path
    answers, wrong = [], False
    for mirror in mirrors:
        url = mirror.rstrip("/") + "/" + archive.name
        begun = partial.exists()
        try:
            _retry(url, partial, archive.size_bytes)
            try:
                verify(archive, partial)
            except DataError:
                if not begun:
                    raise
                log.warning("%s: what was fetched before belongs to another file; starting again", url)
                discard(partial)
                _retry(url, partial, archive.size_bytes)
                verify(archive, partial)
        except (NotTheFile, DataError) as error:
            if isinstance(error, DataError):
                discard(partial)
            answers.append(f"{url}: {error}")
            wrong = True
        except (OSError, HTTPException) as error:
            answers.append(f"{url}: {error}")
        else:
            finish(partial, path)
            return path
        log.warning("%s", answers[-1])
    by_hand = f"fetch it by hand{f' from {about}' if about else ''} and put it into {target}, and run the same command then"
    if wrong:
        published = {"bytes": archive.size_bytes, "SHA-256": archive.sha256, "MD5": archive.md5}
        expected = ", ".join(f"{kind} {value}" for kind, value in published.items() if value) or "an archive"
        fix = f"run the same command again later, or {by_hand}"
        raise DataError(f"{archive.name}: no mirror has the right file", answers, expected=expected, fix=fix)
    found = f"{archive.name} cannot be fetched; {'; '.join(answers)}"
    fix = f"run the same command again (it goes on where it stopped), or {by_hand}"
    raise DependencyError(found, expected="a mirror that can be reached", fix=fix)


def _retry(url: str, partial: Path, size_bytes: int) -> None:
    """Fetch from one mirror; retry while each attempt adds at least `WORTH_ANOTHER_TRY` bytes."""
    while True:
        before = partial.stat().st_size if partial.exists() else 0
        try:
            transfer(url, partial, size_bytes)
            return
        except NotTheFile:
            raise
        except (OSError, HTTPException) as error:
            brought = (partial.stat().st_size if partial.exists() else 0) - before
            if brought < WORTH_ANOTHER_TRY:
                raise
            log.warning("%s: %s; going on", url, error)


def checksum(path: Path, kind: Literal["sha256", "md5"] = "sha256") -> str:
    """Compute the checksum of a file."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()


def verify(archive: Archive, path: Path) -> None:
    """Compare size and checksum, without a published sum that of `pin`, if any; raise DataError where they differ."""
    size = path.stat().st_size
    if archive.size_bytes and size != archive.size_bytes:
        raise DataError(f"{path} has {size} bytes", expected=f"{archive.size_bytes}", fix="remove it and fetch it again")
    kept = path.parent / f"{archive.name}.sha256"
    kind: Literal["sha256", "md5"] = "md5" if archive.md5 and not archive.sha256 else "sha256"
    published = archive.sha256 or archive.md5
    expected = published or (kept.read_text(encoding="utf-8").strip() if kept.exists() else "")
    if not expected:
        return
    found = checksum(path, kind)
    if found != expected:
        where = "" if published else f", as {kept} says of an earlier copy that could be unpacked"
        raise DataError(f"{path} has the checksum {found}", expected=expected + where, fix="remove it and fetch it again")


def pin(archive: Archive, path: Path) -> None:
    """Keep the checksum of an unpacked archive that has none published: later downloads must agree."""
    kept = path.parent / f"{archive.name}.sha256"
    if archive.sha256 or archive.md5 or kept.exists():
        return
    found = checksum(path)
    log.warning("%s: no checksum is published; its SHA-256 is %s and is kept", archive.name, found)
    with atomic_write(kept) as out:
        out.write(found + "\n")
