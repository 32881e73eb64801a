"""Synthetic corpora from a table of voices: audio files and Kaldi data directories with true phone times.

A plan is a list of `PlanRow`s: one per speaker and set. The sentences come from a stream that never repeats itself, so
sets share none. Audio goes to `<audio>/<speaker>/<utt>.wav`, tables to `<data>/<set>/`.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ctaplib.audio.files import write_audio
from ctaplib.corpus.datadir import DataDir, write_datadir
from ctaplib.errors import DataError
from ctaplib.files import read_tsv, write_tsv
from ctaplib.phones import SILENCE
from ctaplib.synthetic.engine import Job, Voice
from ctaplib.synthetic.labels import Labels, label
from ctaplib.synthetic.languages import Language
from ctaplib.synthetic.speaking import Speech, speak_all

PLAN_FIELDS = ("set", "speaker", "variant", "accent", "gender", "pitch", "rate_wpm", "utts")


@dataclass(frozen=True)
class PlanRow:
    """A speaker in one set, and the number of utterances."""

    set: str
    speaker: str
    gender: str
    voice: Voice
    utts: int


def read_plan(path: str | Path) -> list[PlanRow]:
    """Read a table of voices (columns: `set speaker variant accent gender pitch rate_wpm utts`).

    Raises:
        DataError: columns are missing.
    """
    rows = read_tsv(path)
    missing = [name for name in PLAN_FIELDS if rows and name not in rows[0]]
    if missing:
        raise DataError(f"{path} lacks the columns {' '.join(missing)}", expected=" ".join(PLAN_FIELDS))
    voices = [Voice(r["accent"], r["variant"], int(r["pitch"]), int(r["rate_wpm"])) for r in rows]
    return [PlanRow(r["set"], r["speaker"], r["gender"], voice, int(r["utts"])) for r, voice in zip(rows, voices)]


def _write(job: Job, speech: Speech, folder: Path, rename: Callable[[str], str]) -> Labels:
    """Write the audio of an utterance and return its labels, in the process that spoke it."""
    write_audio(wav_path(folder, job.utt), speech.samples, speech.rate_hz, sync=False)
    return label(job, speech, rename)


def wav_path(folder: Path, utt: str) -> Path:
    """Return the path of an utterance's audio; the speaker is what precedes the last hyphen."""
    return folder / utt.rsplit("-", 1)[0] / f"{utt}.wav"


def make_jobs(plan: Sequence[PlanRow], language: Language, seed: int) -> list[tuple[PlanRow, Job, str]]:
    """Give each speaker sentences, in a fixed order; return the row, the job and the words of `text` of each utterance."""
    stream, rng = language.sentences(seed), random.Random(f"{seed} silence")
    counts: dict[str, int] = {}
    out = []
    for row in plan:
        for _ in range(row.utts):
            counts[row.speaker] = counts.get(row.speaker, 0) + 1
            sentence = next(stream)
            utt = f"{row.speaker}-{counts[row.speaker]:04d}"
            job = Job(utt, sentence.spoken, row.voice, lead_s=rng.uniform(0.06, 0.18), tail_s=rng.uniform(0.1, 0.22))
            out.append((row, job, sentence.text))
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
        plan: Who speaks how many sentences in which set.
        language: Sentences and phone names.
        audio: Folder for the audio files.
        data: Folder for the data directories.
        seed: Seed of the sentences and of the silences around them.
        nj: Number of processes; the bytes do not depend on it.
        unlabelled: Sets that get no `text`, `text.phn`, `phn2word` (speech without transcript).
        engine: Data folder of the speech engine (default: the package's; see `variants.engine_data`).

    Returns:
        Minutes of audio of each set.
    """
    jobs = make_jobs(plan, language, seed)
    write = partial(_write, folder=audio.absolute(), rename=language.rename)
    labels = list(speak_all([job for _, job, _ in jobs], write, nj, engine))
    minutes: dict[str, float] = {}
    for name in dict.fromkeys(row.set for row in plan):
        kept, dropped = [], []
        for (row, _, text), item in zip(jobs, labels, strict=True):
            if row.set != name:
                continue
            result = language.relabel(text, item)
            if isinstance(result, str):
                dropped.append({"utt": item.utt, "reason": result})
            else:
                kept.append((row, text, result))
        write_tsv(data / name / "dropped.tsv", dropped, ("utt", "reason"))
        write_datadir(_tables(kept, audio.absolute(), language.code, name not in unlabelled), data / name)
        minutes[name] = sum(item.duration_s for _, _, item in kept) / 60
    return minutes


def _tables(items: Sequence[tuple[PlanRow, str, Labels]], audio: Path, language: str, labelled: bool) -> DataDir:
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
