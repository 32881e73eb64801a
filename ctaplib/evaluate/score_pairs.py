"""Rows of synthesis and resynthesis: speech beside a natural reading of the same words, and its speaker."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from ctaplib.evaluate.files_measured import EMBEDDING, RESYNTHESIS, SYNTHESIS
from ctaplib.evaluate.measure import Job, Kind, Measured
from ctaplib.evaluate.rows import Outcome, Outcomes
from ctaplib.evaluate.score_speech import Item, Speech, average


class PairedSpeech(Speech):
    """Speech that has a natural counterpart."""

    kind: ClassVar[Kind]
    """How the two are compared."""
    metrics: ClassVar[Mapping[str, str]]
    """Metrics of the comparison, each with the reason why an item cannot have it."""
    no_voice: ClassVar[str]
    """Reason why an item has no speaker similarity."""

    def references(self, item: Item) -> tuple[Path, ...]:
        """Return natural utterances of an item's speaker."""
        raise NotImplementedError

    def _comparison(self, item: Item) -> Job:
        return Job(self.kind, (self.wav(item), self.inputs.natural[item[self.natural_utt]]))

    def jobs(self, item: Item) -> Iterator[Job]:
        yield from (Job(EMBEDDING, path) for path in self.references(item))
        if not self.natural:
            yield self._comparison(item)

    def own_outcomes(self, measured: Measured) -> Outcomes:
        similarities = [self.similarity(measured, item, self.references(item)) for item in self.items]
        outcomes = {"secs": average(similarities, self.no_voice)}
        if self.natural:
            return outcomes | dict.fromkeys(self.metrics, Outcome("natural speech is its own reference"))
        pairs = [measured[self._comparison(item)] for item in self.items]
        return outcomes | {metric: average([pair[metric] for pair in pairs], why) for metric, why in self.metrics.items()}


class Synthesis(PairedSpeech):
    """Synthesised speech."""

    task = "tts"
    text = natural_utt = "text_utt"
    kind = SYNTHESIS
    metrics = {
        "mcd_db": "silent output",
        "f0_rmse_st": "under 10 frames voiced in both",
        "speaking_rate_dev_pct": "silent output",
    }
    no_voice = "the speaker judge found no voice in it, or the speaker has no reference utterances"

    def references(self, item: Item) -> tuple[Path, ...]:
        return self.inputs.reference_wavs(item["spk"])


class Resynthesis(PairedSpeech):
    """Resynthesised speech."""

    task = "resynthesis"
    text = natural_utt = "id"
    kind = RESYNTHESIS
    metrics = {"pesq_wb": "PESQ found no speech in it", "stoi": "under 0.4 s of speech", "mcd_db": "silent output"}
    no_voice = "it is a reference utterance, its speaker has none, or no voice was found in it"

    def references(self, item: Item) -> tuple[Path, ...]:
        """Return the reference utterances of an utterance's speaker; none where it is one of them."""
        wavs = self.inputs.reference_wavs(self.speakers[item["id"]])
        return () if self.inputs.natural[item["id"]] in wavs else wavs
