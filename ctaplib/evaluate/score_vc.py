"""Rows of conversion: speaker, pitch and words."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ctaplib.evaluate import intervals
from ctaplib.evaluate.files_measured import EMBEDDING, F0
from ctaplib.evaluate.measure import Job, Measured
from ctaplib.evaluate.rows import Outcome, Outcomes
from ctaplib.evaluate.score_speech import Item, Speech, average
from ctaplib.evaluate.speech_metrics import f0_correlation, f0_offset_st, voiced_median_hz

NO_VOICE = "the speaker judge found no voice in it, or a speaker has no reference utterances"


class Conversion(Speech):
    """Converted speech."""

    task = "vc"
    text = "source_utt"
    natural_utt = "prompt_utt"
    natural_note = "of the natural sources, each once"

    def _targets(self, item: Item) -> tuple[Path, ...]:
        return self.inputs.reference_wavs(item["target_spk"])

    def _sources(self, item: Item) -> tuple[Path, ...]:
        return self.inputs.reference_wavs(self.speakers[item["source_utt"]])

    def jobs(self, item: Item) -> Iterator[Job]:
        for path in (*self._targets(item), *self._sources(item)):
            yield Job(EMBEDDING, path)
        for path in (self.wav(item), *self._targets(item), self.inputs.natural[item["source_utt"]]):
            yield Job(F0, path)

    def own_outcomes(self, measured: Measured) -> Outcomes:
        outcomes = self._voice(measured) | self._pitch(measured)
        if self.natural:
            note = "of the natural prompt clip of each pair"
            outcomes = {name: replace(outcome, note=outcome.note or note) for name, outcome in outcomes.items()}
            outcomes["f0_pcc"] = Outcome("the natural source is its own contour")
        return outcomes

    def _voice(self, measured: Measured) -> Outcomes:
        target = [self.similarity(measured, item, self._targets(item)) for item in self.items]
        source = [self.similarity(measured, item, self._sources(item)) for item in self.items]
        silent = target.count(None)
        if silent == len(target):
            wins = Outcome(f"no item has it: {NO_VOICE}")
        else:
            won = [float(own is not None and other is not None and own > other) for own, other in zip(target, source)]
            wins = Outcome(intervals.mean(won, 100.0), f"{silent} pairs without a voice count as lost" if silent else None)
        return {"secs_target": average(target, NO_VOICE), "secs_source": average(source, NO_VOICE), "target_wins_pct": wins}

    def _pitch(self, measured: Measured) -> Outcomes:
        offsets: list[float | None] = []
        correlations: list[float | None] = []
        for item in self.items:
            track = measured[Job(F0, self.wav(item))]
            references = [measured[Job(F0, path)] for path in self._targets(item)]
            target_hz = voiced_median_hz(*references) if references else None
            offsets.append(f0_offset_st(voiced_median_hz(track), target_hz))
            correlations.append(f0_correlation(track, measured[Job(F0, self.inputs.natural[item["source_utt"]])]))
        return {
            "f0_offset_st": average(offsets, "no voiced frame, or no reference utterances", intervals.median),
            "f0_pcc": average(correlations, "under 10 frames voiced in both"),
        }
