"""Unpack archives that come from elsewhere: nothing lands outside the folder, nothing half-written passes for whole."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path, PurePosixPath

from ctaplib.errors import DataError


def unpack(path: Path, target: Path) -> None:
    """Unpack a tar or zip archive; nothing may land outside the target.

    Raises:
        DataError: the archive is broken, or holds a path or link that leads outside; of a zip archive nothing is unpacked then.
    """
    target.mkdir(parents=True, exist_ok=True)
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    parts = PurePosixPath(name.replace("\\", "/")).parts
                    if name.startswith(("/", "\\")) or ".." in parts or (parts and ":" in parts[0]):
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
