"""The common part of the tasks whose output is speech (`tts`, `vc`, `resynthesis`).

`score_pairs` and `score_vc` declare the tasks.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

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


@dataclass(frozen=True)
class Case:
    """The speech of one system on one set.

    Attributes:
        inputs: Folders and names.
        set: Test set.
        system: Name of the system in the rows.
        decoded: Its speech; for the system `natural`, natural utterances in the place of it.
    """

    inputs: Inputs
    set: str
    system: str
    decoded: Decoded

    @property
    def natural(self) -> bool:
        """Whether the speech is natural."""
        return self.system == "natural"

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


@dataclass(frozen=True)
class SpeechTask:
    """A task whose output is speech.

    Attributes:
        name: Name of the task in the rows.
        text: Column of an item: the utterance with its text.
        natural: Column of an item: the utterance that the system `natural` has for it.
        jobs: Lists what is measured on an item, beside its embedding.
        outcomes: Computes the metrics that are this task's own.
        natural_note: Note on the error rates of the system `natural`.
    """

    name: str
    text: str
    natural: str
    jobs: Callable[[Case, Item], Iterable[Job]]
    outcomes: Callable[[Case, Measured], Outcomes]
    natural_note: str | None = None


def jobs(task: SpeechTask, inputs: Inputs) -> Iterator[Job]:
    """List what is measured: embeddings of all outputs, and the jobs of every item."""
    for set_ in inputs.sets:
        for system in systems(task.name):
            case = _case(task, inputs, set_, system)
            if isinstance(case, str):
                continue
            for item in case.decoded.items:
                yield Job(EMBEDDING, case.wav(item))
                yield from task.jobs(case, item)


def rows(task: SpeechTask, inputs: Inputs, measured: Measured, make: RowMaker) -> list[Row]:
    """Make the rows of every system."""
    made: list[Row] = []
    for set_ in inputs.sets:
        fault = judge_fault(inputs, set_)
        for system in systems(task.name):
            case = _case(task, inputs, set_, system)
            outcomes = case if isinstance(case, str) else _outcomes(task, case, measured, fault)
            made += make(task.name, set_, inputs.name(system), outcomes, inputs.run(system))
    return made


def _case(task: SpeechTask, inputs: Inputs, set_: str, system: System) -> Case | str:
    """Return the speech of a system; or why there is none."""
    name = inputs.name(system)
    missing = inputs.missing(system)
    if missing:
        return missing
    decoded = _natural(task, inputs, set_) if name == "natural" else inputs.decoded(task.name, name, set_)
    return decoded if isinstance(decoded, str) else Case(inputs, set_, name, decoded)


def _natural(task: SpeechTask, inputs: Inputs, set_: str) -> Decoded | str:
    """Return the natural speech of the items of the task's list, or of what the first system with output was given."""
    items: Sequence[Item] | str = f"not measured: no speech of {set_} was made for {task.name}"
    if task.name in LISTS:
        items = inputs.fixed_list(LISTS[task.name], set_)
    else:
        others = (_case(task, inputs, set_, system) for system in systems(task.name) if system.name != "natural")
        items = next((case.decoded.items for case in others if isinstance(case, Case)), items)
    if isinstance(items, str):
        return items
    return Decoded(tuple(items), {item["id"]: inputs.natural[item[task.natural]] for item in items})


def _outcomes(task: SpeechTask, case: Case, measured: Measured, fault: str | None) -> Outcomes:
    texts = {item["id"]: item[task.text] for item in case.decoded.items}
    place, note = (task.name, case.system), None
    if case.natural:
        place, note = ("natural", "natural"), task.natural_note
        texts = {utt: utt for utt in texts.values()}
    outcomes = task.outcomes(case, measured)
    for metric in METRICS[task.name]:
        if metric.judge == SPEECH_JUDGE:
            outcomes[metric.name] = Outcome(fault or judged(case.inputs, *place, case.set, metric.name, texts), note)
        elif metric.name == "rtf":
            outcomes["rtf"] = Outcome("natural speech is not computed" if case.natural else real_time_factor(case.decoded))
    return outcomes


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


def real_time_factor(decoded: Decoded) -> Estimate | str:
    """Compute seconds of computing over seconds of audio; without an interval, because it belongs to the machine."""
    try:
        compute_s = sum(float(item["compute_s"]) for item in decoded.items)
        audio_s = sum(float(item["audio_s"]) for item in decoded.items)
    except (KeyError, ValueError):
        return "not measured: the index has no compute_s and audio_s"
    if audio_s <= 0:
        return "no audio was made"
    return Estimate(compute_s / audio_s, len(decoded.items), None)
