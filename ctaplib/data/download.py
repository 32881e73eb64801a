"""Fetch a corpus: says licence and size first, tries mirrors in turn, resumes what was begun, checks sums, unpacks with care."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from pydantic import Field

from ctaplib.config import Config, load_config
from ctaplib.errors import DataError, DependencyError
from ctaplib.files import atomic_write
from ctaplib.runlog import get_logger

log = get_logger(__name__)
_BLOCK = 1 << 20


class Archive(Config):
    """One file of a corpus."""

    name: str
    """File name, appended to each mirror's address."""
    size_bytes: int = Field(default=0, ge=0)
    """Size in bytes; 0 where nobody says it."""
    sha256: str = ""
    """Checksum; empty where none is published: then the first download's sum is kept and later ones must agree."""


class Corpus(Config):
    """Where a corpus can be had, and on what terms."""

    name: str
    licence: str
    """Name or address of the licence, as the publisher states it."""
    about: str
    """Address of the page that describes the corpus."""
    mirrors: list[str]
    """Folders to fetch from, tried in this order."""
    archives: list[Archive]
    unpacks_to: str
    """Folder that exists in the target when all is unpacked."""


def fetch_corpus(description: str | Path, target: str | Path, mirrors: Sequence[str] = ()) -> Path:
    """Fetch and unpack a corpus; what is there already is not fetched again.

    Args:
        description: YAML file with a `Corpus`.
        target: folder that gets the archives and the unpacked corpus.
        mirrors: places to look first.

    Returns:
        The unpacked corpus.

    Raises:
        DependencyError: no mirror can be reached.
        DataError: a file has another checksum or size, or an archive is broken or unsafe.
    """
    corpus, target = load_config(Corpus, description), Path(target)
    done = target / corpus.unpacks_to
    size = sum(archive.size_bytes for archive in corpus.archives)
    known = f"{size / 1e6:.0f} MB" if size else "size not stated"
    print(f"{corpus.name}: {known}; licence: {corpus.licence}; see {corpus.about}", flush=True)
    marker = target / f".{corpus.unpacks_to}.complete"
    if marker.exists() and done.is_dir():
        print(f"{done} is there already.")
        return done
    target.mkdir(parents=True, exist_ok=True)
    if size and shutil.disk_usage(target).free < 2.5 * size:
        free = shutil.disk_usage(target).free / 1e6
        raise DataError(f"{target} has {free:.0f} MB of space left", expected=f"about {2.5 * size / 1e6:.0f} MB", fix="free some")
    for archive in corpus.archives:
        path = fetch(archive, target, [*mirrors, *corpus.mirrors])
        unpack(path, target)
        pin(archive, path)
    if not done.is_dir():
        raise DataError(
            f"the archives of {corpus.name} hold no folder {corpus.unpacks_to}", fix="see what lies in " + str(target)
        )
    with atomic_write(marker) as out:
        out.write("complete\n")
    return done


def fetch(archive: Archive, target: Path, mirrors: Sequence[str]) -> Path:
    """Fetch one archive from the first mirror that gives it, going on where an earlier try stopped.

    Raises:
        DependencyError: no mirror gives it; the message says what each answered.
        DataError: the file is not what it should be.
    """
    path = target / archive.name
    if path.exists():
        verify(archive, path)
        return path
    partial = path.with_name(path.name + ".part")
    answers = []
    for mirror in mirrors:
        url = mirror.rstrip("/") + "/" + archive.name
        try:
            _get(url, partial, archive.size_bytes)
            break
        except (OSError, http.client.HTTPException) as error:
            answers.append(f"{url}: {error}")
            log.warning("%s: %s", url, error)
    else:
        raise DependencyError(
            f"{archive.name} cannot be fetched; " + "; ".join(answers), expected="a mirror that can be reached",
            fix=f"run the same command again (it goes on where it stopped), or put the file into {target}",
        )  # fmt: skip
    try:
        verify(archive, partial)
    except DataError:
        partial.unlink()
        raise
    partial.replace(path)
    return path


def _get(url: str, partial: Path, size_bytes: int) -> None:
    """Fetch the rest of a file; starts anew where the server does not give parts."""
    have = partial.stat().st_size if partial.exists() else 0
    if size_bytes and have >= size_bytes:
        return
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing is missing
            return
        raise
    with answer:
        resumed = answer.status == 206
        expected = answer.headers.get("Content-Length")
        log.info("%s: %s", url, f"going on at {have / 1e6:.1f} MB" if resumed else "from the start")
        written = 0
        with open(partial, "ab" if resumed else "wb") as out:
            while block := answer.read(_BLOCK):
                out.write(block)
                written += len(block)
        if expected is not None and written < int(expected):
            raise OSError(f"the connection ended after {written} of {expected} bytes")


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def verify(archive: Archive, path: Path) -> None:
    """Compare size and checksum; without a published sum, with the one that `pin` kept, if there is one.

    Raises:
        DataError: they differ.
    """
    size = path.stat().st_size
    if archive.size_bytes and size != archive.size_bytes:
        raise DataError(f"{path} has {size} bytes", expected=f"{archive.size_bytes}", fix="remove it and fetch it again")
    kept = path.parent / f"{archive.name}.sha256"
    expected = archive.sha256 or (kept.read_text(encoding="utf-8").strip() if kept.exists() else "")
    if not expected:
        return
    found = checksum(path)
    if found != expected:
        where = "" if archive.sha256 else f", as {kept} says of an earlier copy that could be unpacked"
        raise DataError(f"{path} has the checksum {found}", expected=expected + where, fix="remove it and fetch it again")


def pin(archive: Archive, path: Path) -> None:
    """Keep the checksum of an archive that has none published, once it could be unpacked: it must not change any more."""
    kept = path.parent / f"{archive.name}.sha256"
    if archive.sha256 or kept.exists():
        return
    found = checksum(path)
    log.warning("%s: no checksum is published; its SHA-256 is %s and is kept", archive.name, found)
    with atomic_write(kept) as out:
        out.write(found + "\n")


def unpack(path: Path, target: Path) -> None:
    """Unpack a tar or zip archive; nothing may land outside the target.

    Raises:
        DataError: the archive is broken, or holds a path or link that leads outside.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    parts = PurePosixPath(name).parts
                    if name.startswith("/") or ".." in parts:
                        raise DataError(f"{path} holds {name!r}, which leads outside {target}", fix="do not use this archive")
                archive.extractall(target)
        else:
            with tarfile.open(path) as archive:
                archive.extractall(target, filter="data")
    except tarfile.FilterError as error:
        raise DataError(f"{path} holds an unsafe member: {error}", fix="do not use this archive") from error
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(f"{path} cannot be unpacked: {error}", fix="remove it and fetch it again") from error
