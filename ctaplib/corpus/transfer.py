"""Fetch one file over HTTP and resume an earlier try; a page or a file of another size is refused."""

import json
import re
import urllib.error
import urllib.request
from contextlib import suppress
from http.client import HTTPResponse
from pathlib import Path

from ctaplib.files import write_json
from ctaplib.runs.log import get_logger

log = get_logger(__name__)
BLOCK = 1 << 20
TIMEOUT_S = 60
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class NotTheFile(Exception):
    """The server answered with something other than the file."""


def transfer(url: str, partial: Path, size_bytes: int = 0) -> None:
    """Fetch the rest of a file into `partial`; start again where the server does not send parts or its file has changed.

    `<partial>.from` says where it comes from; `size_bytes` is 0 where the size is not known. Raises NotTheFile where the server
    sends a page, or a file of another size, and leaves `partial` as it was; OSError or http.client.HTTPException where it cannot
    be reached, answers with an error or not in HTTP, or cuts the connection, and keeps what came.
    """
    have = partial.stat().st_size if partial.exists() else 0
    if size_bytes and have > size_bytes:
        discard(partial)
        have = 0
    if size_bytes and have == size_bytes:
        return
    earlier = _source(partial) if have else {}
    try:
        answer = _ask(url, have, earlier)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have and str(have) == (error.headers.get("Content-Range") or "").rpartition("/")[2]:
            return  # nothing is missing
        if error.code != 416:
            raise
        discard(partial)  # longer than what the server has: another file
        answer, have = _ask(url, 0, {}), 0
    with answer:
        total, resumed = _check(answer, have, size_bytes)
        if resumed and earlier.get("total") not in (None, total):
            raise NotTheFile(f"its file has {total} bytes, that of {earlier.get('url')} has {earlier.get('total')}")
        _keep(answer, url, partial, total, resumed)


def _ask(url: str, have: int, earlier: dict) -> HTTPResponse:
    headers = {"Range": f"bytes={have}-"} if have else {}
    if have and earlier.get("url") == url and earlier.get("mark"):
        headers["If-Range"] = str(earlier["mark"])
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S)


def _note(partial: Path) -> Path:
    return partial.with_name(partial.name + ".from")


def discard(partial: Path) -> None:
    """Remove what was fetched so far, and the note about it."""
    partial.unlink(missing_ok=True)
    _note(partial).unlink(missing_ok=True)


def finish(partial: Path, path: Path) -> None:
    """Rename a file that is complete."""
    partial.replace(path)
    _note(partial).unlink(missing_ok=True)


def _source(partial: Path) -> dict:
    """Read the note about the file that `partial` is the beginning of; empty where the note is cut short."""
    with suppress(OSError, ValueError):
        return json.loads(_note(partial).read_text(encoding="utf-8"))
    return {}


def _check(answer: HTTPResponse, have: int, size_bytes: int) -> tuple[int | None, bool]:
    """Return the size of the whole file, if the server says it, and whether it resumes where we stopped."""
    kind = (answer.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        raise NotTheFile(f"it sends a page ({kind}) in place of the file")
    length = answer.headers.get("Content-Length")
    resumed = answer.status == 206
    total = int(length) if length is not None and not resumed else None
    if resumed:
        found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
        if found and int(found[1]) != have:
            raise NotTheFile(f"it sends bytes from {found[1]} on, asked for from {have} on")
        if found and found[2] != "*":
            total = int(found[2])
        elif length is not None:
            total = have + int(length)
    if size_bytes and total is not None and total != size_bytes:
        raise NotTheFile(f"its file has {total} bytes, expected {size_bytes}")
    return total, resumed


def _keep(answer: HTTPResponse, url: str, partial: Path, total: int | None, resumed: bool) -> None:
    """Write the response body; reject an HTML page, recognised by its first bytes."""
    block = answer.read(BLOCK)
    start = block[:512].lstrip().lower()
    if not resumed and start.startswith((b"<!doctype html", b"<html")):
        raise NotTheFile("it sends a page in place of the file")
    mark = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
    weak = mark.startswith("W/")
    write_json(_note(partial), {"url": url, "mark": "" if weak else mark, "total": total})
    have = partial.stat().st_size if resumed else 0
    log.info("%s: %s", url, f"going on at {have / 1e6:.1f} MB" if resumed else "from the start")
    with open(partial, "ab" if resumed else "wb") as out:
        while block:
            out.write(block)
            have += len(block)
            block = answer.read(BLOCK)
    if total is not None and have < total:
        raise OSError(f"the connection ended after {have} of {total} bytes")
    if total is not None and have > total:
        discard(partial)
        raise NotTheFile(f"it sends {have} bytes, more than the {total} that it announced")
