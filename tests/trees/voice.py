"""Speech for trees: eSpeak NG at any rate, WAV or FLAC, English or Mandarin, in parallel.

The same speaker always has the same voice; the bytes depend neither on the order nor on the number of processes.
"""

import io
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import soundfile

from ctaplib.audio.files import resample
from ctaplib.files import atomic_write
from ctaplib.synthetic.engine import Job, Voice
from ctaplib.synthetic.languages import language
from ctaplib.synthetic.speaking import Speech, speak_all

ACCENTS = {"en": ("en", "en-us", "en-gb-x-rp", "en-gb-scotland"), "zh": ("cmn",)}
VARIANTS = {"f": ("f1", "f2", "f3", "f4", "f5"), "m": ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8")}


@dataclass(frozen=True)
class Line:
    """What one file of a tree says."""

    path: Path
    """The file; its suffix (.wav, .flac) says the format."""
    text: str
    speaker: str
    gender: str
    """f or m."""
    rate_hz: int
    language: str = "en"
    """en or zh (text in hanzi)."""


def voice(speaker: str, gender: str, code: str) -> Voice:
    """The voice of a speaker."""
    draw = random.Random(f"{speaker} {gender} {code}")
    return Voice(draw.choice(ACCENTS[code]), draw.choice(VARIANTS[gender]), draw.randint(35, 65), draw.randint(150, 190))


def write(path: Path, samples: np.ndarray, rate_hz: int) -> None:
    """Write 16-bit audio in the format that the suffix says, whole or not at all."""
    raw = io.BytesIO()
    soundfile.write(raw, samples, rate_hz, format=path.suffix[1:].upper(), subtype="PCM_16")
    with atomic_write(path, "wb") as out:
        out.write(raw.getvalue())


@dataclass(frozen=True)
class _Write:
    """Write what was spoken (runs in the process that spoke)."""

    lines: dict[str, tuple[Path, int]]

    def __call__(self, job: Job, spoken: Speech) -> float:
        path, rate_hz = self.lines[job.utt]
        samples = resample(spoken.samples.astype(np.float32) / 32768.0, spoken.rate_hz, rate_hz)
        write(path, samples, rate_hz)
        return len(samples) / rate_hz


def speak(lines: Sequence[Line], nj: int = 2) -> list[float]:
    """Speak and write all lines; give the duration of each, seconds."""
    jobs = [Job(str(number), line.text, voice(line.speaker, line.gender, line.language)) for number, line in enumerate(lines)]
    use = _Write({job.utt: (line.path, line.rate_hz) for job, line in zip(jobs, lines, strict=True)})
    return list(speak_all(jobs, use, nj))


def sentences(code: str, seed: int, count: int) -> list[str]:
    """The words of so many sentences, none twice: English in lower case, Mandarin in hanzi."""
    stream: Iterator = language(code).sentences(seed)
    return [line.text for line in islice(stream, count)]
