"""Phones of many texts, in parallel where that pays, and from the cache where they were found before."""

import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from ctaplib.cluster.jobs import map_jobs
from ctaplib.errors import DataError
from ctaplib.normalize.normalizer import UnknownTextError
from ctaplib.runs.log import get_logger
from ctaplib.text.cache import Entry, PhoneCache
from ctaplib.text.frontends import FrontEnd, TextConfig, make_frontend

log = get_logger(__name__)
T = TypeVar("T")
SAMPLE, WORTH_S = 200, 20.0
"""Number of texts timed in one process, and seconds of remaining work from which workers start (each loads the front end)."""
CHUNK = 5000
"""Texts after which results are written, so that a run that is killed loses little."""


def phones_of(text: str, config: TextConfig) -> Entry:
    """Return the phones of one text by the front end of a config, or the reason why it has none."""
    try:
        found = _frontend(config)(text)
    except DataError as error:
        unknown = error.unknown if isinstance(error, UnknownTextError) else ()
        return Entry(reason=str(error).replace("\n", " ").replace("\t", " "), unknown=unknown)
    return Entry(" ".join(found.phones), " ".join(map(str, found.words)), "", found.guessed)


@cache
def _frontend(config: TextConfig) -> FrontEnd:
    return make_frontend(config)  # once per process


def find_phones(texts: Mapping[str, str], config: TextConfig, nj: int, folder: Path | None = None) -> dict[str, Entry]:
    """Return the phones of many texts; equal texts are phonemized once.

    Args:
        texts: Text of each utterance.
        config: Front end.
        nj: Number of processes.
        folder: Folder of the caches of this and other front ends; None for no cache.

    Raises:
        DependencyError: a package or data that the front end needs is missing.
        ConfigError: there is no such front end.
    """
    phone_cache = PhoneCache(folder, config) if folder else None
    found = phone_cache.read() if phone_cache else {}
    distinct = set(texts.values())
    missing = sorted(distinct - found.keys())
    log.info("phones of %d texts: %d known from before", len(distinct), len(distinct) - len(missing))
    if missing:
        _frontend(config)  # here, a fault of the front end itself is an error; later it would drop every utterance
    for chunk, entries in in_chunks(missing, partial(phones_of, config=config), nj):
        fresh = dict(zip(chunk, entries, strict=True))
        if phone_cache:
            phone_cache.add(fresh)
        found.update(fresh)
    return {utt: found[text] for utt, text in texts.items()}


def in_chunks(texts: list[str], work: Callable[[str], T], nj: int) -> Iterator[tuple[list[str], list[T]]]:
    """Yield texts and their results a chunk at a time; several processes start where the first texts take long enough."""
    first, rest = texts[:SAMPLE], texts[SAMPLE:]
    start = time.monotonic()
    if first:
        yield first, [work(text) for text in first]
    left_s = (time.monotonic() - start) / max(1, len(first)) * len(rest)
    found = map_jobs(work, rest, nj, what="finding phones", chunk=64, at_least=2 if left_s >= WORTH_S else len(rest) + 1)
    for i in range(0, len(rest), CHUNK):
        chunk = rest[i : i + CHUNK]
        yield chunk, list(islice(found, len(chunk)))
    next(found, None)  # runs the generator to its end, which removes the files of the jobs
