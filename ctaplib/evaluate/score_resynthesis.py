"""Rows of resynthesis: how much of an utterance survives the codes, or the vocoder alone."""

from collections.abc import Iterator

from ctaplib.evaluate.files_measured import EMBEDDING, RESYNTHESIS
from ctaplib.evaluate.measure import Job, Measured
from ctaplib.evaluate.rows import Outcomes
from ctaplib.evaluate.score_speech import OWN_REFERENCE, Case, Item, SpeechTask, average

NO_REFERENCE = "it is a reference utterance, its speaker has none, or no voice was found in it"


def _jobs(case: Case, item: Item) -> Iterator[Job]:
    for path in case.inputs.reference_wavs(case.speakers[item["id"]]):
        yield Job(EMBEDDING, path)
    if not case.natural:
        yield _comparison(case, item)


def _comparison(case: Case, item: Item) -> Job:
    return Job(RESYNTHESIS, (case.wav(item), case.inputs.natural[item["id"]]))


def _outcomes(case: Case, measured: Measured) -> Outcomes:
    items = case.decoded.items
    similar: list[float | None] = []
    for item in items:
        references = case.inputs.reference_wavs(case.speakers[item["id"]])
        own = case.inputs.natural[item["id"]] in references
        similar.append(None if own else case.similarity(measured, item, references))
    outcomes = {"secs": average(similar, NO_REFERENCE)}
    if case.natural:
        return outcomes | dict.fromkeys(("pesq_wb", "stoi", "mcd_db"), OWN_REFERENCE)
    pairs = [measured[_comparison(case, item)] for item in items]
    return outcomes | {
        "pesq_wb": average([p.pesq_wb for p in pairs], "PESQ found no speech in it"),
        "stoi": average([p.stoi for p in pairs], "under 0.4 s of speech"),
        "mcd_db": average([p.mcd_db for p in pairs], "silent output"),
    }


TASK = SpeechTask("resynthesis", text="id", natural="id", jobs=_jobs, outcomes=_outcomes)
