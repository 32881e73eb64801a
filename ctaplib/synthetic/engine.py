"""Speak sentences with libespeak-ng (from the wheel `espeakng-loader`) and learn the true time of every phone.

The engine reports the sample at which each phone starts, so phones tile the audio. Its state drifts from one utterance to the
next; the first utterance of a fresh process is always the same. Every utterance is therefore spoken in a process of
its own, forked from a worker that has initialised the engine: the bytes depend neither on the order nor on the number of
workers.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

import numpy as np

from ctaplib.cluster.jobs import map_jobs
from ctaplib.errors import DataError, DependencyError
from ctaplib.phones import SILENCE

Result = TypeVar("Result")

_SYNCHRONOUS, _PHONEME_EVENTS, _DONT_EXIT = 2, 0x0001, 0x8000
_CHARACTERS, _UTF8, _END_PAUSE = 1, 1, 0x1000
_RATE, _VOLUME, _PITCH = 1, 2, 3
_EVENT_END, _EVENT_WORD, _EVENT_PHONEME = 0, 1, 7
_MAX_INT16 = 32767
TONE_ACCENTS = ("cmn",)


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int), ("identifier", ctypes.c_uint), ("text_position", ctypes.c_int), ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int), ("sample", ctypes.c_int), ("user_data", ctypes.c_void_p), ("id", _Id),
    ]  # fmt: skip


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class Voice:
    """How the engine is to speak: a language or accent, a variant of the speaker, and mild changes of its own."""

    accent: str
    """Language file, e.g. `en-gb-scotland`."""
    variant: str
    """Speaker variant, e.g. `f3`."""
    pitch: int = 50
    """Base pitch, 0 to 100; 50 is the variant's own."""
    rate_wpm: int = 165
    """Speaking rate, words a minute."""


@dataclass(frozen=True)
class Job:
    """One utterance to speak."""

    utt: str
    text: str
    voice: Voice
    lead_s: float = 0.1
    """Silence put before the speech, seconds."""
    tail_s: float = 0.15
    """Silence left after the speech, seconds."""


@dataclass(frozen=True)
class DecoderOutput:
    """What the engine made of a job: audio and true times, in samples."""

    utt: str
    samples: np.ndarray
    """int16 (samples,)."""
    rate_hz: int
    labels: tuple[str, ...]
    """The engine's mnemonics, pauses included; they tile the audio."""
    starts: tuple[int, ...]
    """First sample of each label; each ends where the next starts, the last at the end of the audio."""
    words: tuple[tuple[int, int], ...]
    """(first sample, character position in the text counted from 0) of each word."""
    transcript: str = ""
    """The engine's transcription, a clause a line; only of voices whose accent is in `TONE_ACCENTS`."""


class Engine:
    """The speech engine, one in a process.

    Args:
        data: its data folder (default: the package's; see `voice_variants.engine_data`).

    Raises:
        DependencyError: the package `espeakng-loader` is missing or its library does not start.
    """

    def __init__(self, data: Path | None = None) -> None:
        try:
            espeakng_loader = importlib.import_module("espeakng_loader")
        except ImportError as error:
            raise DependencyError(
                "the package espeakng-loader is not installed", expected="the engine that speaks the corpus",
                fix="run tools/install.sh, or pip install espeakng-loader",
            ) from error  # fmt: skip
        self._lib = ctypes.CDLL(espeakng_loader.get_library_path())
        self._lib.espeak_SetSynthCallback.argtypes = [_CALLBACK]
        self._lib.espeak_Synth.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint,
            ctypes.c_void_p, ctypes.c_void_p,
        ]  # fmt: skip
        self._lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        data = data or Path(espeakng_loader.get_data_path())
        self.rate_hz: int = self._lib.espeak_Initialize(_SYNCHRONOUS, 0, str(data).encode(), _PHONEME_EVENTS | _DONT_EXIT)
        if self.rate_hz <= 0:
            raise DependencyError(f"libespeak-ng does not start with its data in {data}", fix="reinstall espeakng-loader")
        self._chunks: list[bytes] = []
        self._phones: list[tuple[int, str]] = []
        self._words: list[tuple[int, int]] = []
        self._callback = _CALLBACK(self._collect)  # the library keeps no reference of its own
        self._lib.espeak_SetSynthCallback(self._callback)

    def _collect(self, audio: ctypes.Array[ctypes.c_short], count: int, events: ctypes.Array[_Event]) -> int:
        if audio and count > 0:
            self._chunks.append(ctypes.string_at(audio, 2 * count))
        index = 0
        while events[index].type != _EVENT_END:
            event = events[index]
            if event.type == _EVENT_PHONEME:
                raw = ctypes.string_at(ctypes.addressof(event.id), 8).split(b"\0")[0]
                self._phones.append((event.sample, raw.decode("utf-8", "replace")))
            elif event.type == _EVENT_WORD:
                self._words.append((event.sample, event.text_position - 1))
            index += 1
        return 0

    def speak(self, job: Job) -> tuple[bytes, list[tuple[int, str]], list[tuple[int, int]], str]:
        """Speak one utterance; only the first one of a process is reproducible.

        Returns:
            16-bit samples; (first sample, mnemonic) of each phone; (first sample, character position) of each word;
            the transcription of tone languages.

        Raises:
            DataError: the engine has no such voice, or made no sound.
        """
        name = f"{job.voice.accent}+{job.voice.variant}"
        if self._lib.espeak_SetVoiceByName(name.encode()) != 0:
            raise DataError(f"{job.utt}: the speech engine has no voice {name}", fix="see the list of voices of the corpus")
        for parameter, value in ((_RATE, job.voice.rate_wpm), (_PITCH, job.voice.pitch), (_VOLUME, 50)):
            self._lib.espeak_SetParameter(parameter, value, 0)
        self._chunks, self._phones, self._words = [], [], []
        self._lib.espeak_ng_SetRandSeed(ctypes.c_long(1))  # breath is noise, and the engine seeds it with the time of day
        raw = job.text.encode()
        status = self._lib.espeak_Synth(raw, len(raw) + 1, 0, _CHARACTERS, 0, _UTF8 | _END_PAUSE, None, None)
        self._lib.espeak_Synchronize()
        if status != 0 or not self._chunks or not self._phones:
            raise DataError(f"{job.utt}: the speech engine made no sound with voice {name} (status {status})")
        transcript = self._transcribe(raw) if job.voice.accent in TONE_ACCENTS else ""
        return b"".join(self._chunks), self._phones, self._words, transcript

    def _transcribe(self, raw: bytes) -> str:
        rest, clauses = ctypes.c_char_p(raw), []
        while rest.value:
            clauses.append(self._lib.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, 0).decode("utf-8", "replace"))
        return "\n".join(clauses)


def finish(
    job: Job, samples: np.ndarray, rate_hz: int, phones: list[tuple[int, str]], words: list[tuple[int, int]], transcript: str
) -> DecoderOutput:
    """Level the audio, give it the wanted silence at both ends, and drop labels that last no sample."""
    total = len(samples)
    ends = [start for start, _ in phones[1:]] + [total]
    kept = [(start, end, label) for (start, label), end in zip(phones, ends, strict=True) if end > start]
    speech_end = max((end for start, end, label in kept if label and not label.startswith("_")), default=total)
    total = min(total, speech_end + round(job.tail_s * rate_hz))
    kept = [item for item in kept if item[0] < total]
    lead = round(job.lead_s * rate_hz)
    audio = np.concatenate([np.zeros(lead, np.int16), _level(samples[:total])])
    labels = [SILENCE_LABEL, *(label for _, _, label in kept)]
    starts = [0, *(start + lead for start, _, _ in kept)]
    if kept and kept[0][0] == 0 and lead == 0:
        labels, starts = labels[1:], starts[1:]
    return DecoderOutput(
        job.utt, audio, rate_hz, tuple(labels), tuple(starts), tuple((s + lead, position) for s, position in words), transcript
    )


SILENCE_LABEL = "_"
_TARGET_RMS, _PEAK = 2600.0, 29000.0


def _level(samples: np.ndarray) -> np.ndarray:
    """Bring speech to one level (RMS 2600 of 32768 over its non-zero samples, peak at most 29000)."""
    wide = samples.astype(np.int64)
    sounding = int(np.count_nonzero(wide))
    if sounding == 0:
        return samples
    rms = (int((wide * wide).sum()) / sounding) ** 0.5  # an exact integer sum: the same gain on every machine
    gain = min(_TARGET_RMS / rms, _PEAK / int(np.abs(wide).max()))
    return np.rint(samples * gain).clip(-_MAX_INT16, _MAX_INT16).astype(np.int16)


def intervals(spoken: DecoderOutput, rename: Callable[[str], str]) -> list[tuple[str, float, float]]:
    """Give the true phones as (phone, start_s, end_s); neighbouring silences are one.

    Args:
        spoken: what the engine made.
        rename: from engine mnemonic to phone, pauses to `sil`.
    """
    ends = [*spoken.starts[1:], len(spoken.samples)]
    out: list[tuple[str, float, float]] = []
    for label, start, end in zip(spoken.labels, spoken.starts, ends, strict=True):
        phone = rename(label)
        if phone == SILENCE and out and out[-1][0] == SILENCE:
            out[-1] = (SILENCE, out[-1][1], end / spoken.rate_hz)
        else:
            out.append((phone, start / spoken.rate_hz, end / spoken.rate_hz))
    return out


def word_index(spoken: DecoderOutput, text: str) -> list[int]:
    """Give the index of the word that each label belongs to (-1 before the first).

    Args:
        spoken: what the engine made.
        text: the text that was spoken; words are its space-separated parts.
    """
    marks = sorted(spoken.words)
    begins = [i for i, c in enumerate(text) if c != " " and (i == 0 or text[i - 1] == " ")]
    if len(begins) == 1:  # no spaces: the engine's words
        begins = sorted({position for _, position in marks})
    out, mark, current = [], 0, -1
    for start in spoken.starts:
        while mark < len(marks) and marks[mark][0] <= start:
            position = marks[mark][1]
            current = max(current, sum(b <= position for b in begins) - 1)
            mark += 1
        out.append(current)
    return out


_engine: Engine | None = None


def _start_engine(data: Path | None = None) -> None:
    global _engine
    _engine = Engine(data)


def _start_worker(data: Path | None) -> None:
    _start_engine(data)
    gc.disable()  # a collection would touch, and so copy, every page after a fork
    gc.freeze()


def _in_fork(function: Callable[[], Result]) -> Result:
    """Run a function in a forked copy of this process and bring back its result or its error."""
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


def speak_once(job: Job) -> DecoderOutput:
    """Speak one utterance in a fork of this process; the engine is started when it is needed first."""
    if _engine is None:
        _start_engine()
    engine = cast(Engine, _engine)
    raw, phones, words, transcript = _in_fork(lambda: engine.speak(job))  # only this in the fork: its memory is all new
    return finish(job, np.frombuffer(raw, np.int16), engine.rate_hz, phones, words, transcript)


def _speak_and_use(job: Job, use: Callable[[Job, DecoderOutput], Result]) -> Result:
    return use(job, speak_once(job))


def speak_all(
    jobs: Sequence[Job], use: Callable[[Job, DecoderOutput], Result], nj: int = 1, data: Path | None = None
) -> Iterator[Result]:
    """Speak jobs in parallel, reproducibly, and yield what `use` makes of each, in order.

    Args:
        jobs: the utterances.
        use: a picklable function that runs where the audio is made (it may write the file).
        nj: number of worker processes.
        data: data folder of the engine (default: the package's).
    """
    work = partial(_speak_and_use, use=use)
    yield from map_jobs(work, jobs, nj, what="speaking", setup=(_start_worker, (data,)), chunk=16, apart=True)
