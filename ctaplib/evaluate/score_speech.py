"""Metrics that the tasks with speech output share; task-specific ones are in `score_pairs` and `score_vc`."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from ctaplib.evaluate import intervals
from ctaplib.evaluate.catalogue import METRICS, SPEECH_JUDGE
from ctaplib.evaluate.files_measured import EMBEDDING, embedding
from ctaplib.evaluate.inputs import LISTS, Decoded, Inputs, missing_note
from ctaplib.evaluate.intervals import Estimate
from ctaplib.evaluate.measure import Job, Measured
from ctaplib.evaluate.results import Row
from ctaplib.evaluate.rows import Outcome, Outcomes, RowMaker
from ctaplib.evaluate.score_asr import judge_fault, judged
from ctaplib.evaluate.speaker import cosine
from ctaplib.methods.base import System, systems

Item = dict[str, str]


class Speech:
    """The speech of one system on one set; a subclass for each task.

    Args:
        inputs: Folders and names.
        set_: Test set.
        system: Name of the system in the rows.
        decoded: Its speech; for the system `natural`, natural utterances in the place of it.
    """

    task: ClassVar[str]
    """Name of the task in the rows."""
    text: ClassVar[str]
    """Column of an item: the utterance with its text."""
    natural_utt: ClassVar[str]
    """Column of an item: the utterance that the system `natural` has for it."""
    natural_note: ClassVar[str | None] = None
    """Note on the error rates of the system `natural`."""

    def __init__(self, inputs: Inputs, set_: str, system: str, decoded: Decoded) -> None:
        self.inputs, self.set, self.decoded = inputs, set_, decoded
        self.natural, self.items = system == "natural", decoded.items
        self.place = ("natural", "natural") if self.natural else (self.task, system)

    def jobs(self, item: Item) -> Iterable[Job]:
        """List what is measured on an item, beside its embedding."""
        raise NotImplementedError

    def own_outcomes(self, measured: Measured) -> Outcomes:
        """Compute the metrics that are this task's own."""
        raise NotImplementedError

    def outcomes(self, measured: Measured, fault: str | None) -> Outcomes:
        """Compute all metrics of the task; `fault` is the reason why those of the speech judge do not count."""
        texts = {item["id"]: item[self.text] for item in self.items}
        if self.natural:
            texts = {utt: utt for utt in texts.values()}
        note = self.natural_note if self.natural else None
        outcomes = self.own_outcomes(measured)
        for metric in METRICS[self.task]:
            if metric.judge == SPEECH_JUDGE:
                outcomes[metric.name] = Outcome(fault or judged(self.inputs, *self.place, self.set, metric.name, texts), note)
            elif metric.name == "rtf":
                outcomes["rtf"] = Outcome("natural speech is not computed" if self.natural else real_time_factor(self.items))
        return outcomes

    @cached_property
    def speakers(self) -> dict[str, str]:
        """Speaker of every utterance of the set."""
        return self.inputs.table(self.set, "utt2spk")

    def wav(self, item: Item) -> Path:
        """Return the speech of an item."""
        return self.decoded.wavs[item["id"]]

    def similarity(self, measured: Measured, item: Item, references: Sequence[Path]) -> float | None:
        """Return the cosine of an item's voice and the mean voice of reference utterances; None where one is missing."""
        return cosine(embedding(measured, self.wav(item)), embedding(measured, *references))


def jobs(task: type[Speech], inputs: Inputs) -> Iterator[Job]:
    """List what is measured: embeddings of all outputs, and the jobs of every item."""
    for set_ in inputs.sets:
        for system in systems(task.task):
            speech = _speech(task, inputs, set_, system)
            if isinstance(speech, str):
                continue
            for item in speech.items:
                yield Job(EMBEDDING, speech.wav(item))
                yield from speech.jobs(item)


def rows(task: type[Speech], inputs: Inputs, measured: Measured, make: RowMaker) -> list[Row]:
    """Make the rows of every system."""
    made: list[Row] = []
    for set_ in inputs.sets:
        fault = judge_fault(inputs, set_)
        for system in systems(task.task):
            speech = _speech(task, inputs, set_, system)
            outcomes = speech if isinstance(speech, str) else speech.outcomes(measured, fault)
            made += make(task.task, set_, inputs.name(system), outcomes, inputs.run(system))
    return made


def _speech(task: type[Speech], inputs: Inputs, set_: str, system: System) -> Speech | str:
    """Return the speech of a system; or why there is none."""
    name = inputs.name(system)
    if missing := inputs.missing(system):
        return missing
    decoded = _natural(task, inputs, set_) if name == "natural" else inputs.decoded(task.task, name, set_)
    return decoded if isinstance(decoded, str) else task(inputs, set_, name, decoded)


def _natural(task: type[Speech], inputs: Inputs, set_: str) -> Decoded | str:
    """Return the natural speech of the items of the task's list, or of those that the first system with output has."""
    items: Sequence[Item] | str = f"not measured: no speech of {set_} was made for {task.task}"
    if task.task in LISTS:
        items = inputs.fixed_list(LISTS[task.task], set_)
    else:
        others = (_speech(task, inputs, set_, system) for system in systems(task.task) if system.name != "natural")
        items = next((speech.items for speech in others if isinstance(speech, Speech)), items)
    if isinstance(items, str):
        return items
    return Decoded(tuple(items), {item["id"]: inputs.natural[item[task.natural_utt]] for item in items})


def average(values: Sequence[float | None], missing: str, how: Callable[[Sequence[float]], Estimate] = intervals.mean) -> Outcome:
    """Average the values that exist; the note counts the others, with the reason.

    Args:
        values: One per item, None where an item cannot have it.
        missing: Why an item cannot have it.
        how: `intervals.mean` or `intervals.median`.
    """
    present = [value for value in values if value is not None]
    if not present:
        return Outcome(f"no item has it: {missing}")
    return Outcome(how(present), missing_note(values, len(present), missing))


def real_time_factor(items: Sequence[Item]) -> Estimate | str:
    """Compute the real-time factor; without a confidence interval, as it depends on the machine."""
    try:
        compute_s, audio_s = (sum(float(item[name]) for item in items) for name in ("compute_s", "audio_s"))
    except (KeyError, ValueError):
        return "not measured: the index has no compute_s and audio_s"
    return Estimate(compute_s / audio_s, len(items), None) if audio_s > 0 else "no audio was made"
