"""Rows of synthesis and resynthesis: speech beside a natural reading of the same words, and its speaker."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ctaplib.evaluate import files_measured
from ctaplib.evaluate.files_measured import EMBEDDING
from ctaplib.evaluate.measure import Job, Kind, Measured
from ctaplib.evaluate.rows import Outcome, Outcomes
from ctaplib.evaluate.score_speech import Case, Item, SpeechTask, average

OWN_REFERENCE = Outcome("natural speech is its own reference")


def _task(
    name: str,
    reading: str,
    kind: Kind,
    metrics: Mapping[str, str],
    references: Callable[[Case, Item], tuple[Path, ...]],
    voice: str,
) -> SpeechTask:
    """Return a task whose speech has a natural counterpart.

    Args:
        name: Name of the task.
        reading: Column of an item: the natural utterance.
        kind: How the two are compared.
        metrics: Metrics of the comparison, each with the reason why an item cannot have it.
        references: Finds natural utterances of an item's speaker.
        voice: Reason why an item has no speaker similarity.
    """

    def comparison(case: Case, item: Item) -> Job:
        return Job(kind, (case.wav(item), case.inputs.natural[item[reading]]))

    def jobs(case: Case, item: Item) -> Iterator[Job]:
        for path in references(case, item):
            yield Job(EMBEDDING, path)
        if not case.natural:
            yield comparison(case, item)

    def outcomes(case: Case, measured: Measured) -> Outcomes:
        items = case.decoded.items
        similar = average([case.similarity(measured, item, references(case, item)) for item in items], voice)
        if case.natural:
            return {"secs": similar} | dict.fromkeys(metrics, OWN_REFERENCE)
        pairs = [measured[comparison(case, item)] for item in items]
        compared = {metric: average([getattr(pair, metric) for pair in pairs], why) for metric, why in metrics.items()}
        return {"secs": similar} | compared

    return SpeechTask(name, text=reading, natural=reading, jobs=jobs, outcomes=outcomes)


def _of_speaker(case: Case, item: Item) -> tuple[Path, ...]:
    return case.inputs.reference_wavs(item["spk"])


def _of_others(case: Case, item: Item) -> tuple[Path, ...]:
    """Return the reference utterances of an utterance's speaker; none where it is one of them."""
    wavs = case.inputs.reference_wavs(case.speakers[item["id"]])
    return () if case.inputs.natural[item["id"]] in wavs else wavs


TTS = _task(
    "tts",
    reading="text_utt",
    kind=files_measured.SYNTHESIS,
    metrics={
        "mcd_db": "silent output",
        "f0_rmse_st": "under 10 frames voiced in both",
        "speaking_rate_dev_pct": "silent output",
    },
    references=_of_speaker,
    voice="the speaker judge found no voice in it, or the speaker has no reference utterances",
)
RESYNTHESIS = _task(
    "resynthesis",
    reading="id",
    kind=files_measured.RESYNTHESIS,
    metrics={"pesq_wb": "PESQ found no speech in it", "stoi": "under 0.4 s of speech", "mcd_db": "silent output"},
    references=_of_others,
    voice="it is a reference utterance, its speaker has none, or no voice was found in it",
)
