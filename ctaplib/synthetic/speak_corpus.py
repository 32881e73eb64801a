"""Make a synthetic corpus from a table of voices: audio files and Kaldi data directories with true phone times.

A plan is a list of `PlanRow`s: one per speaker and set. The sentences come from a stream that never repeats itself, so
sets share none. Audio goes to `<audio>/<speaker>/<utt>.wav`, tables to `<data>/<set>/`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ctaplib.audio.files import write_audio
from ctaplib.corpus.datadir import DataDir, write_datadir
from ctaplib.errors import DataError
from ctaplib.files import read_tsv, write_tsv
from ctaplib.phones import SILENCE
from ctaplib.synthetic.engine import DecoderOutput, Job, Voice, intervals, speak_all, word_index

PLAN_FIELDS = ("set", "speaker", "variant", "accent", "gender", "pitch", "rate_wpm", "utts")


@dataclass(frozen=True)
class PlanRow:
    """What one speaker says in one set."""

    set: str
    speaker: str
    gender: str
    voice: Voice
    utts: int


@dataclass(frozen=True)
class Line:
    """A sentence: as spoken, and the words of `text`."""

    spoken: str
    text: str


@dataclass(frozen=True)
class Said:
    """Everything about one utterance but its audio."""

    utt: str
    duration_s: float
    phones: tuple[tuple[str, float, float], ...]
    words: tuple[int, ...]
    """Word index of each phone that is not silence."""
    transcript: str = ""
    """The engine's transcription with tones, a clause a line (tone languages only)."""


def _as_spoken(text: str, said: Said) -> Said:
    return said


@dataclass(frozen=True)
class Language:
    """What differs between the languages of the recipe. Its functions must be picklable."""

    code: str
    accent: str
    """Engine language for text that is not of the corpus."""
    sentences: Callable[[int], Iterator[Line]]
    rename: Callable[[str], str]
    """From engine mnemonic to phone."""
    normalize: Callable[[str], str]
    """From text as written to the words of `text`."""
    relabel: Callable[[str, Said], Said | str] = field(default=_as_spoken)
    """Last word on the phones, given the text; a string is the reason to leave the utterance out."""


def read_plan(path: str | Path) -> list[PlanRow]:
    """Read a table of voices (fields: `set speaker variant accent gender pitch rate_wpm utts`)."""
    rows = read_tsv(path)
    missing = [name for name in PLAN_FIELDS if rows and name not in rows[0]]
    if missing:
        raise DataError(f"{path} lacks the columns {' '.join(missing)}", expected=" ".join(PLAN_FIELDS))
    return [
        PlanRow(
            r["set"],
            r["speaker"],
            r["gender"],
            Voice(r["accent"], r["variant"], int(r["pitch"]), int(r["rate_wpm"])),
            int(r["utts"]),
        )
        for r in rows
    ]


@dataclass(frozen=True)
class _Write:
    """Write the audio of an utterance and keep the rest (runs in the process that spoke)."""

    folder: Path
    rename: Callable[[str], str]

    def __call__(self, job: Job, spoken: DecoderOutput) -> Said:
        path = wav_path(self.folder, job.utt)
        write_audio(path, spoken.samples, spoken.rate_hz, sync=False)
        return describe(job, spoken, self.rename)


def describe(job: Job, spoken: DecoderOutput, rename: Callable[[str], str]) -> Said:
    """Give the phones, their times and words of an utterance."""
    phones = intervals(spoken, rename)
    owner = dict(zip((start / spoken.rate_hz for start in spoken.starts), word_index(spoken, job.text), strict=True))
    words = tuple(max(0, owner[start]) for phone, start, _ in phones if phone != SILENCE)
    return Said(job.utt, len(spoken.samples) / spoken.rate_hz, tuple(phones), words, spoken.transcript)


def wav_path(folder: Path, utt: str) -> Path:
    """Path of an utterance's audio; the speaker is what stands before the last hyphen."""
    return folder / utt.rsplit("-", 1)[0] / f"{utt}.wav"


def make_jobs(plan: Sequence[PlanRow], language: Language, seed: int) -> list[tuple[PlanRow, Job, str]]:
    """Deal out sentences: (who and where, what to speak, words of `text`), in a fixed order."""
    stream, rng = language.sentences(seed), random.Random(f"{seed} silence")
    counts: dict[str, int] = {}
    out = []
    for row in plan:
        for _ in range(row.utts):
            counts[row.speaker] = counts.get(row.speaker, 0) + 1
            line = next(stream)
            utt = f"{row.speaker}-{counts[row.speaker]:04d}"
            job = Job(utt, line.spoken, row.voice, lead_s=rng.uniform(0.06, 0.18), tail_s=rng.uniform(0.1, 0.22))
            out.append((row, job, line.text))
    return out


def make_corpus(
    plan: Sequence[PlanRow],
    language: Language,
    *,
    audio: Path,
    data: Path,
    seed: int,
    nj: int,
    unlabelled: Sequence[str] = (),
    engine: Path | None = None,
) -> dict[str, float]:
    """Speak a plan and write its data directories.

    Args:
        plan: who says how many sentences in which set.
        language: sentences and phone names.
        audio: folder for the audio files.
        data: folder for the data directories.
        seed: seed of the sentences and of the silences around them.
        nj: number of processes; the bytes do not depend on it.
        unlabelled: sets that get no `text`, `text.phn`, `phn2word` (speech without transcript).
        engine: data folder of the speech engine (default: the package's; see `voice_variants.engine_data`).

    Returns:
        Minutes of audio of each set.
    """
    jobs = make_jobs(plan, language, seed)
    said = list(speak_all([job for _, job, _ in jobs], _Write(audio.absolute(), language.rename), nj, engine))
    minutes: dict[str, float] = {}
    for name in dict.fromkeys(row.set for row in plan):
        chosen = [(row, text, s) for (row, _, text), s in zip(jobs, said, strict=True) if row.set == name]
        kept, dropped = [], []
        for row, text, item in chosen:
            result = language.relabel(text, item)
            if isinstance(result, str):
                dropped.append({"utt": item.utt, "reason": result})
            else:
                kept.append((row, text, result))
        write_tsv(data / name / "dropped.tsv", dropped, ("utt", "reason"))
        write_datadir(_tables(kept, audio.absolute(), language.code, name not in unlabelled), data / name)
        minutes[name] = sum(item.duration_s for _, _, item in kept) / 60
    return minutes


def _tables(items: Sequence[tuple[PlanRow, str, Said]], audio: Path, language: str, labelled: bool) -> DataDir:
    utts: dict[str, Mapping[str, str]] = {
        "utt2spk": {s.utt: row.speaker for row, _, s in items},
        "utt2dur": {s.utt: f"{s.duration_s:.4f}" for _, _, s in items},
        "utt2lang": {s.utt: language for _, _, s in items},
    }
    if labelled:
        utts["text"] = {s.utt: text for _, text, s in items}
        utts["text.phn"] = {s.utt: " ".join(p for p, _, _ in s.phones if p != SILENCE) for _, _, s in items}
        utts["phn2word"] = {s.utt: " ".join(map(str, s.words)) for _, _, s in items}
    ctm = {s.utt: [f"{s.utt} 1 {a:.4f} {b - a:.4f} {p}" for p, a, b in s.phones] for _, _, s in items}
    return DataDir(
        wavs={s.utt: str(wav_path(audio, s.utt)) for _, _, s in items},
        utts=utts,
        spks={"spk2gender": {row.speaker: row.gender for row, _, _ in items}},
        ctms={"phones_true.ctm": ctm} if labelled else {},
    )
