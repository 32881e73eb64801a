"""Rows of conversion: speaker, pitch and words."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ctaplib.evaluate import intervals
from ctaplib.evaluate.files_measured import EMBEDDING, F0
from ctaplib.evaluate.measure import Job, Measured
from ctaplib.evaluate.rows import Outcome, Outcomes
from ctaplib.evaluate.score_speech import Case, Item, SpeechTask, average
from ctaplib.evaluate.speech_metrics import f0_correlation, f0_offset_st, voiced_median_hz

NO_VOICE = "the speaker judge found no voice in it, or a speaker has no reference utterances"
NATURAL_CLIP = "of the natural prompt clip of each pair"


def _targets(case: Case, item: Item) -> tuple[Path, ...]:
    return case.inputs.reference_wavs(item["target_spk"])


def _sources(case: Case, item: Item) -> tuple[Path, ...]:
    return case.inputs.reference_wavs(case.speakers[item["source_utt"]])


def _jobs(case: Case, item: Item) -> Iterator[Job]:
    for path in (*_targets(case, item), *_sources(case, item)):
        yield Job(EMBEDDING, path)
    for path in (case.wav(item), *_targets(case, item), case.inputs.natural[item["source_utt"]]):
        yield Job(F0, path)


def _outcomes(case: Case, measured: Measured) -> Outcomes:
    outcomes = _voice(case, measured) | _pitch(case, measured)
    if case.natural:
        outcomes = {name: replace(outcome, note=outcome.note or NATURAL_CLIP) for name, outcome in outcomes.items()}
        outcomes["f0_pcc"] = Outcome("the natural source is its own contour")
    return outcomes


def _voice(case: Case, measured: Measured) -> Outcomes:
    items = case.decoded.items
    target = [case.similarity(measured, item, _targets(case, item)) for item in items]
    source = [case.similarity(measured, item, _sources(case, item)) for item in items]
    outcomes = {"secs_target": average(target, NO_VOICE), "secs_source": average(source, NO_VOICE)}
    silent = target.count(None)
    if silent == len(target):
        return outcomes | {"target_wins_pct": Outcome(f"no item has it: {NO_VOICE}")}
    wins = [float(own is not None and other is not None and own > other) for own, other in zip(target, source)]
    note = f"{silent} pairs without a voice count as lost" if silent else None
    return outcomes | {"target_wins_pct": Outcome(intervals.mean(wins, 100.0), note)}


def _pitch(case: Case, measured: Measured) -> Outcomes:
    offsets: list[float | None] = []
    correlations: list[float | None] = []
    for item in case.decoded.items:
        track = measured[Job(F0, case.wav(item))]
        references = [measured[Job(F0, path)] for path in _targets(case, item)]
        target_hz = voiced_median_hz(*references) if references else None
        offsets.append(f0_offset_st(voiced_median_hz(track), target_hz))
        correlations.append(f0_correlation(track, measured[Job(F0, case.inputs.natural[item["source_utt"]])]))
    return {
        "f0_offset_st": average(offsets, "no voiced frame, or no reference utterances", intervals.median),
        "f0_pcc": average(correlations, "under 10 frames voiced in both"),
    }


VC = SpeechTask(
    "vc",
    text="source_utt",
    natural="prompt_utt",
    jobs=_jobs,
    outcomes=_outcomes,
    natural_note="of the natural sources, each once",
)
