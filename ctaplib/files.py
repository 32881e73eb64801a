"""Text files, written atomically: Kaldi tables, TSV, JSON."""

import errno
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ctaplib.errors import CtapError, DataError, counted


def make_folder(path: str | Path) -> None:
    """Make a folder and its parents, and check that it is writable.

    Raises:
        CtapError: it cannot be made, or is not writable.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror
        if error.errno in (errno.EEXIST, errno.ENOTDIR):
            standing = next(p for p in (path, *path.parents) if (p.exists() or p.is_symlink()) and not p.is_dir())
            reason = f"{standing} is no folder"
        raise CtapError(f"cannot make the folder {path}: {reason}", fix="name another folder, or clear its place") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise CtapError(f"nothing can be written in the folder {path}", fix="name another folder, or change its permissions")


@contextmanager
def atomic_write(path: str | Path, mode: str = "w", *, sync: bool = True) -> Iterator[IO[Any]]:
    """Open a file that appears under its name only once it is complete.

    Args:
        path: The file.
        mode: `w` or `wb`.
        sync: Wait until the disk has it before it gets its name.

    Raises:
        CtapError: the folder cannot be made, or the disk is full; the earlier file of that name, if any, is untouched.
    """
    path = Path(path)
    make_folder(path.parent)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with reporting_full_disk(path, "; the earlier file is untouched"):
            with open(partial, mode, encoding=None if "b" in mode else "utf-8") as handle:
                yield handle
                if sync:
                    handle.flush()
                    os.fsync(handle.fileno())
            os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def reporting_full_disk(path: Path, besides: str = "") -> Iterator[None]:
    """Raise a full disk in this context as an error that names the file.

    Raises:
        CtapError: the disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise CtapError(
                f"no space left on the disk while writing {path}", fix=f"free some space and run the same command again{besides}"
            ) from error
        raise


def remove_partials(folder: Path) -> list[Path]:
    """Remove and list the partial files of `atomic_write` that `kill -9` or a crash left; nobody may be writing in the folder."""
    left = sorted(folder.glob(".*.partial"))
    for path in left:
        path.unlink(missing_ok=True)
    return left


def read_encoded(path: Path, encoding: str = "utf-8-sig", fix: str = "convert it, e.g. with iconv") -> str:
    """Return the text of a file with its line ends unchanged.

    Args:
        path: The file.
        encoding: Its encoding.
        fix: What to do where it is another.

    Raises:
        DataError: it is in another encoding (names the first line that shows it), or there is no such encoding.
    """
    content = path.read_bytes()
    try:
        return content.decode(encoding)
    except LookupError as error:
        raise DataError(f"there is no encoding {encoding!r}", fix="correct it, e.g. utf-8, cp1252, gb18030") from error
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        name = encoding.upper().removesuffix("-SIG")
        raise DataError(f"{path}:{line} is not {name} ({error.reason}, 0x{content[error.start]:02x})", fix=fix) from error


def read_table(path: str | Path) -> dict[str, str]:
    """Read a Kaldi table, one `key value...` a line; a key alone has the value "".

    Raises:
        DataError: the file is missing, not UTF-8, or repeats keys (all repeats are listed).
    """
    path = Path(path)
    try:
        lines = read_encoded(path).split("\n")
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing", fix="run the stage that makes it") from error
    table: dict[str, str] = {}
    faults = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        key, _, value = line.rstrip("\r").replace("\t", " ", 1).strip().partition(" ")
        if key in table:
            faults.append(f"{path}:{number}: {key} was there before")
        table[key] = value.strip()
    if faults:
        raise DataError(f"{path} repeats {counted(len(faults), 'id')}", faults, fix="keep one line per id")
    return table


def write_table(path: str | Path, table: Mapping[str, str]) -> None:
    """Write a Kaldi table in LC_ALL=C order."""
    with atomic_write(path) as out:
        for key in sorted(table, key=lambda k: k.encode()):
            out.write(f"{key} {table[key]}".rstrip() + "\n")


def read_tsv(path: str | Path) -> list[dict[str, str]]:
    """Read a tab-separated file with a header line.

    Raises:
        DataError: the file is missing, or lines have another number of fields (all are listed).
    """
    path = Path(path)
    try:
        lines = read_encoded(path, "utf-8").splitlines()
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing", fix="run the stage that makes it") from error
    if not lines:
        raise DataError(f"{path} is empty", expected="a header line")
    fields = lines[0].split("\t")
    faults, rows = [], []
    for number, line in enumerate(lines[1:], 2):
        values = line.split("\t")
        if len(values) != len(fields):
            faults.append(f"{path}:{number}: {len(values)} fields, expected {len(fields)} ({' '.join(fields)})")
            continue
        rows.append(dict(zip(fields, values)))
    if faults:
        raise DataError(f"{path} has {counted(len(faults), 'malformed line')}", faults)
    return rows


def write_tsv(path: str | Path, rows: Sequence[Mapping[str, object]], fields: Sequence[str]) -> None:
    """Write rows under a header line."""
    with atomic_write(path) as out:
        out.write("\t".join(fields) + "\n")
        for row in rows:
            out.write("\t".join(str(row[field]) for field in fields) + "\n")


def write_json(path: str | Path, value: object) -> None:
    """Write JSON with an indent of one and a final newline."""
    with atomic_write(path) as out:
        json.dump(value, out, indent=1, ensure_ascii=False)
        out.write("\n")
