"""Speaking of utterances by the engine, in any number of processes and always with the same bytes.

The engine's state drifts from one utterance to the next; only the first utterance of a fresh process is always the same.
Every utterance is therefore spoken in a process of its own, forked from a worker that has initialised the engine.
"""

import gc
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from ctaplib.cluster.jobs import map_jobs
from ctaplib.errors import DataError
from ctaplib.synthetic.engine import Engine, Job

Result = TypeVar("Result")

_PAUSE = "_"
_TARGET_RMS, _PEAK, _MAX_INT16 = 2600.0, 29000.0, 32767


@dataclass(frozen=True)
class Speech:
    """Audio of a job and true times, in samples.

    Attributes:
        utt: Id of the job.
        samples: (samples,) int16.
        rate_hz: Sampling rate.
        labels: The engine's mnemonics, pauses included; they tile the audio.
        starts: First sample of each label; each ends where the next starts, the last at the end of the audio.
        words: (first sample, character position in the text counted from 0) of each word.
        transcript: The engine's transcription, a clause a line; only of voices whose accent is in `TONE_ACCENTS`.
    """

    utt: str
    samples: np.ndarray
    rate_hz: int
    labels: tuple[str, ...]
    starts: tuple[int, ...]
    words: tuple[tuple[int, int], ...]
    transcript: str = ""


def _finish(
    job: Job, samples: np.ndarray, rate_hz: int, phones: list[tuple[int, str]], words: list[tuple[int, int]], transcript: str
) -> Speech:
    """Level the audio, set the silence at both ends, and drop labels of no sample."""
    total = len(samples)
    ends = [start for start, _ in phones[1:]] + [total]
    kept = [(start, end, label) for (start, label), end in zip(phones, ends, strict=True) if end > start]
    speech_end = max((end for start, end, label in kept if label and not label.startswith("_")), default=total)
    total = min(total, speech_end + round(job.tail_s * rate_hz))
    kept = [item for item in kept if item[0] < total]
    lead = round(job.lead_s * rate_hz)
    audio = np.concatenate([np.zeros(lead, np.int16), _level(samples[:total])])
    labels = [_PAUSE, *(label for _, _, label in kept)]
    starts = [0, *(start + lead for start, _, _ in kept)]
    if kept and kept[0][0] == 0 and lead == 0:
        labels, starts = labels[1:], starts[1:]
    places = tuple((start + lead, position) for start, position in words)
    return Speech(job.utt, audio, rate_hz, tuple(labels), tuple(starts), places, transcript)


def _level(samples: np.ndarray) -> np.ndarray:
    """Scale speech to one level (RMS 2600 of 32768 over its non-zero samples, peak at most 29000)."""
    wide = samples.astype(np.int64)
    sounding = int(np.count_nonzero(wide))
    if sounding == 0:
        return samples
    rms = (int((wide * wide).sum()) / sounding) ** 0.5  # an exact integer sum: the same gain on every machine
    gain = min(_TARGET_RMS / rms, _PEAK / int(np.abs(wide).max()))
    return np.rint(samples * gain).clip(-_MAX_INT16, _MAX_INT16).astype(np.int16)


_engine: Engine | None = None


def _start_worker(data: Path | None) -> None:
    global _engine
    _engine = Engine(data)
    gc.disable()  # a collection would touch, and so copy, every page after a fork
    gc.freeze()


def _in_fork(function: Callable[[], Result]) -> Result:
    """Run a function in a forked copy of this process and return its result or raise its error."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(read_end)
            try:
                payload = pickle.dumps((True, function()))
            except Exception as error:  # whatever it is, the parent raises it again
                payload = pickle.dumps((False, error))
            with os.fdopen(write_end, "wb") as pipe:
                pipe.write(payload)
            status = 0
        finally:
            os._exit(status)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(pid, 0)
    if status != 0 or not data:
        raise DataError(
            f"the speech engine died (status {status})", fix="run the same command again; if it stays, reinstall espeakng-loader"
        )
    good, value = pickle.loads(data)
    if not good:
        raise value
    return value


def speak_once(job: Job) -> Speech:
    """Speak one utterance in a fork of this process; the engine is started at the first call."""
    global _engine
    _engine = engine = _engine or Engine()
    raw, phones, words, transcript = _in_fork(lambda: engine.speak(job))  # only this in the fork: its memory is all new
    return _finish(job, np.frombuffer(raw, np.int16), engine.rate_hz, phones, words, transcript)


def _speak_and_use(job: Job, use: Callable[[Job, Speech], Result]) -> Result:
    return use(job, speak_once(job))


def speak_all(
    jobs: Sequence[Job], use: Callable[[Job, Speech], Result], nj: int = 1, data: Path | None = None
) -> Iterator[Result]:
    """Speak jobs in parallel and yield what `use` returns for each, in order; the bytes do not depend on `nj`.

    Args:
        jobs: Utterances.
        use: Picklable function that runs where the audio is made (it may write the file).
        nj: Number of worker processes.
        data: Data folder of the engine (default: the package's).
    """
    work = partial(_speak_and_use, use=use)
    yield from map_jobs(work, jobs, nj, what="speaking", setup=(_start_worker, (data,)), chunk=16, apart=True)
