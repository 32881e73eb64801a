"""Phones, times and words of an utterance as the engine spoke it.

The engine writes the tone of each syllable as a pitch contour (55, 35, 214, 51, 11) in its transcription and changes a third tone
before another third tone to a second one, within a stretch without pauses. Its phone events carry no tone, so tones are
taken from the transcription and put on the vowel of each syllable, after that change.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from ctaplib.phones import SILENCE
from ctaplib.synthetic.engine import Job
from ctaplib.synthetic.speaking import Speech

_TONES = {"55": "1", "35": "2", "214": "3", "21": "3", "51": "4", "53": "4", "11": "5", "22": "5", "33": "5", "44": "5"}
_TONE = re.compile(r"\d+")
_VOWEL = re.compile(r"^[aAeEiIoOuUyV@&]")


@dataclass(frozen=True)
class Labels:
    """Everything about one utterance but its audio.

    Attributes:
        utt: Its id.
        duration_s: Its length, seconds.
        phones: (phone, start_s, end_s) of each phone and pause; they tile the audio.
        words: Word index of each phone that is not silence.
        transcript: The engine's transcription with tones, a clause a line (tone languages only).
    """

    utt: str
    duration_s: float
    phones: tuple[tuple[str, float, float], ...]
    words: tuple[int, ...]
    transcript: str = ""


def label(job: Job, speech: Speech, rename: Callable[[str], str]) -> Labels:
    """Return the labels of an utterance.

    Args:
        job: What was spoken.
        speech: What the engine made of it.
        rename: From engine mnemonic to phone, pauses to `sil`.
    """
    phones = intervals(speech, rename)
    owner = dict(zip((start / speech.rate_hz for start in speech.starts), word_index(speech, job.text), strict=True))
    words = tuple(max(0, owner[start]) for phone, start, _ in phones if phone != SILENCE)
    return Labels(job.utt, len(speech.samples) / speech.rate_hz, tuple(phones), words, speech.transcript)


def intervals(speech: Speech, rename: Callable[[str], str]) -> list[tuple[str, float, float]]:
    """Return the true phones as (phone, start_s, end_s); neighbouring silences are joined."""
    ends = [*speech.starts[1:], len(speech.samples)]
    out: list[tuple[str, float, float]] = []
    for mnemonic, start, end in zip(speech.labels, speech.starts, ends, strict=True):
        phone = rename(mnemonic)
        if phone == SILENCE and out and out[-1][0] == SILENCE:
            out[-1] = (SILENCE, out[-1][1], end / speech.rate_hz)
        else:
            out.append((phone, start / speech.rate_hz, end / speech.rate_hz))
    return out


def word_index(speech: Speech, text: str) -> list[int]:
    """Return the index of the word that each label belongs to (-1 before the first).

    Args:
        speech: What the engine made.
        text: The text that was spoken; words are its space-separated parts, or the engine's where it has no spaces.
    """
    marks = sorted(speech.words)
    begins = [i for i, c in enumerate(text) if c != " " and (i == 0 or text[i - 1] == " ")]
    if len(begins) == 1:
        begins = sorted({position for _, position in marks})
    out, mark, current = [], 0, -1
    for start in speech.starts:
        while mark < len(marks) and marks[mark][0] <= start:
            position = marks[mark][1]
            current = max(current, sum(b <= position for b in begins) - 1)
            mark += 1
        out.append(current)
    return out


def add_tones(text: str, labels: Labels) -> Labels | str:
    """Put the tone of each syllable on its vowel; return the reason where counts disagree."""
    tones = engine_tones(labels.transcript)
    vowels = sum(_VOWEL.match(phone) is not None for phone, _, _ in labels.phones)
    if not len(text) == len(tones) == vowels:
        return f"{len(text)} characters, {len(tones)} tones and {vowels} syllables in the speech disagree"
    rest = iter(tones)
    phones = tuple((phone + next(rest) if _VOWEL.match(phone) else phone, a, b) for phone, a, b in labels.phones)
    if any(phone != SILENCE and "(" in phone for phone, _, _ in phones):
        return "the engine changed the language"
    return replace(labels, phones=phones)


def engine_tones(transcript: str) -> list[str]:
    """Return the tone (1 to 5) of each syllable of the engine's transcription, after sandhi within each line (clause)."""
    tones: list[str] = []
    for clause in transcript.splitlines():
        tones += sandhi([_TONES.get(digits, "5") for digits in _TONE.findall(clause)])
    return tones


def sandhi(tones: list[str]) -> list[str]:
    """Change every third tone directly before a third tone to a second one."""
    return [("2" if t == "3" and following == "3" else t) for t, following in zip(tones, [*tones[1:], ""], strict=True)]
