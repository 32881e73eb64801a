"""Binding of libespeak-ng (from the wheel `espeakng-loader`), which reports the sample at which each phone starts."""

import ctypes
import importlib
from dataclasses import dataclass
from pathlib import Path

from ctaplib.errors import DataError, DependencyError

_SYNCHRONOUS, _PHONEME_EVENTS, _DONT_EXIT = 2, 0x0001, 0x8000
_CHARACTERS, _UTF8, _END_PAUSE = 1, 1, 0x1000
_RATE, _VOLUME, _PITCH = 1, 2, 3
_EVENT_END, _EVENT_WORD, _EVENT_PHONEME = 0, 1, 7
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
    """A voice of the engine.

    Attributes:
        accent: Language file, e.g. `en-gb-scotland`.
        variant: Speaker variant, e.g. `f3`.
        pitch: Base pitch, 0 to 100; 50 is the variant's own.
        rate_wpm: Speaking rate, words per minute.
    """

    accent: str
    variant: str
    pitch: int = 50
    rate_wpm: int = 165


@dataclass(frozen=True)
class Job:
    """One utterance to speak.

    Attributes:
        utt: Its id.
        text: Text for the engine, with punctuation.
        voice: Who speaks.
        lead_s: Silence before the speech, seconds.
        tail_s: Silence after the speech, seconds.
    """

    utt: str
    text: str
    voice: Voice
    lead_s: float = 0.1
    tail_s: float = 0.15


class Engine:
    """The speech engine; a process can have one.

    Args:
        data: Its data folder (default: the package's; see `variants.engine_data`).

    Raises:
        DependencyError: the package `espeakng-loader` is missing or its library does not start.
    """

    def __init__(self, data: Path | None = None) -> None:
        try:
            espeakng_loader = importlib.import_module("espeakng_loader")
        except ImportError as error:
            raise DependencyError(
                "the package espeakng-loader is not installed", expected="the engine that speaks the corpus",
                fix="run tools/install.sh, or pip install 'ctaplib[corpus]'",
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
