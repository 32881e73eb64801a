"""Unpack archives from elsewhere: nothing lands outside the target, and an archive is unpacked whole or not at all.

An archive is unpacked into a hidden folder inside the target, whose content is renamed to its place after the last member was
read. This takes no more space, and nothing of a damaged or unsafe archive stays behind.
"""

import errno
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ctaplib.errors import DataError, shortened

_FILTER: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # Python has it from 3.11.4 on


def unpack(path: Path, target: Path) -> None:
    """Unpack a tar or zip archive.

    Raises DataError, and unpacks nothing, where it is broken, holds a path or link that leads outside, does not fit what is
    there, or the disk is full.
    """
    target.mkdir(parents=True, exist_ok=True)
    partial = target / f".{path.name}.unpacking"
    shutil.rmtree(partial, ignore_errors=True)  # of an earlier call that was killed
    partial.mkdir()
    try:
        _extract(path, partial)
        clashes = [str(place) for place in _clashes(partial, target)]
        if clashes:
            found = f"{path} has files where {target} has folders, or the reverse: {len(clashes)}"
            raise DataError(found, shortened(clashes), fix="move them away and run the same command again")
        _move(partial, target)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            fix = "free some, and run the same command again: the archive need not be fetched once more"
            raise DataError(f"no space is left on the disk of {target} for what {path} holds", fix=fix) from error
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(f"{path} cannot be unpacked: {error}", fix="remove it and fetch it again") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _extract(path: Path, folder: Path) -> None:
    if not zipfile.is_zipfile(path):
        with tarfile.open(path) as archive:
            for member in archive:
                if reason := _unsafe(member):
                    raise DataError(f"{path} holds an unsafe member: {member.name!r} {reason}", fix="do not use this archive")
                archive.extract(member, folder, set_attrs=False, **_FILTER)
        return
    with zipfile.ZipFile(path) as zipped:
        for name in zipped.namelist():
            parts = PurePosixPath(name.replace("\\", "/")).parts
            if name.startswith(("/", "\\")) or ".." in parts or (parts and ":" in parts[0]):
                raise DataError(f"{path} holds {name!r}, which leads outside {folder.parent}", fix="do not use this archive")
        zipped.extractall(folder)


def _unsafe(member: tarfile.TarInfo) -> str:
    """Return why a member of a tar archive may not be unpacked; empty where it may."""
    for name in (member.name, member.linkname if member.issym() or member.islnk() else ""):
        if name.startswith("/") or ".." in PurePosixPath(name).parts:
            return "leads outside the folder"
    return "" if member.isreg() or member.isdir() or member.issym() or member.islnk() else "is neither file, folder nor link"


def _clashes(source: Path, target: Path) -> Iterator[Path]:
    """Yield files of the target that the archive has as folders, and the reverse."""
    for path in source.iterdir():
        place = target / path.name
        is_folder = path.is_dir() and not path.is_symlink()
        if is_folder and place.is_dir():
            yield from _clashes(path, place)
        elif os.path.lexists(place) and is_folder != (place.is_dir() and not place.is_symlink()):
            yield place


def _move(source: Path, target: Path) -> None:
    """Move the content of a folder into another: existing files are replaced, folders are merged."""
    for path in source.iterdir():
        place = target / path.name
        if path.is_dir() and not path.is_symlink() and place.is_dir():
            _move(path, place)
            continue
        try:
            path.replace(place)
        except OSError as error:
            if error.errno != errno.EXDEV:  # a folder of the target is a link to another disk
                raise
            shutil.move(path, place)
