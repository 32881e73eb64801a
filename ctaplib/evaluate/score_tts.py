"""Rows of synthesis: error rates by the judge, distance from a natural reading, speaker, speaking rate, speed."""

from collections.abc import Iterator

from ctaplib.evaluate.files_measured import EMBEDDING, SYNTHESIS
from ctaplib.evaluate.measure import Job, Measured
from ctaplib.evaluate.rows import Outcomes
from ctaplib.evaluate.score_speech import OWN_REFERENCE, Case, Item, SpeechTask, average

NO_VOICE = "the speaker judge found no voice in it, or the speaker has no reference utterances"


def _jobs(case: Case, item: Item) -> Iterator[Job]:
    for path in case.inputs.reference_wavs(item["spk"]):
        yield Job(EMBEDDING, path)
    if not case.natural:
        yield _comparison(case, item)


def _comparison(case: Case, item: Item) -> Job:
    return Job(SYNTHESIS, (case.wav(item), case.inputs.natural[item["text_utt"]]))


def _outcomes(case: Case, measured: Measured) -> Outcomes:
    items = case.decoded.items
    similar = [case.similarity(measured, item, case.inputs.reference_wavs(item["spk"])) for item in items]
    outcomes = {"secs": average(similar, NO_VOICE)}
    if case.natural:
        return outcomes | dict.fromkeys(("mcd_db", "f0_rmse_st", "speaking_rate_dev_pct"), OWN_REFERENCE)
    pairs = [measured[_comparison(case, item)] for item in items]
    return outcomes | {
        "mcd_db": average([p.mcd_db for p in pairs], "silent output"),
        "f0_rmse_st": average([p.f0_rmse_st for p in pairs], "under 10 frames voiced in both"),
        "speaking_rate_dev_pct": average([p.rate_dev_pct for p in pairs], "silent output"),
    }


TASK = SpeechTask("tts", text="text_utt", natural="text_utt", jobs=_jobs, outcomes=_outcomes)
