"""What the rows of synthesis, conversion and resynthesis share: averages with notes, real-time factor."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ctaplib.evaluate import intervals
from ctaplib.evaluate.catalogue import METRICS, cell
from ctaplib.evaluate.inputs import Decoded, Inputs, missing_note
from ctaplib.evaluate.intervals import Estimate
from ctaplib.evaluate.results import Row
from ctaplib.evaluate.rows import RowMaker

Outcome = tuple[Estimate | str, str | None]
"""An estimate or a reason, and a note."""


def average(
    values: Sequence[float | None],
    what: str,
    how: Callable[..., Estimate] = intervals.mean,
    scale: float = 1.0,
) -> Outcome:
    """Average the values that exist; the note counts the others and says why they do not.

    Args:
        values: One per item, None where an item cannot have it.
        what: Why an item cannot have it.
        how: `intervals.mean` or `intervals.median`.
        scale: Factor (mean only).
    """
    present = [value for value in values if value is not None]
    if not present:
        return f"no item has it: {what}", None
    estimate = how(present, scale) if how is intervals.mean else how([[value] for value in present])
    return estimate, missing_note(values, len(present), what)


def real_time_factor(decoded: Decoded) -> Outcome:
    """Seconds of computing over seconds of audio; no interval, because it belongs to the machine."""
    try:
        compute_s = sum(float(item["compute_s"]) for item in decoded.items)
        audio_s = sum(float(item["audio_s"]) for item in decoded.items)
    except (KeyError, ValueError):
        return "not measured: the index has no compute_s and audio_s", None
    if audio_s <= 0:
        return "no audio was made", None
    return Estimate(compute_s / audio_s, len(decoded.items), None), None


def run_of(inputs: Inputs, task: str, system: str) -> Path | None:
    """The run whose config and seed stand in the rows of a system."""
    if system == "natural" or system == "griffin_lim":
        return None
    if system == "finetuned":
        return inputs.exp / "vc"  # its decoder speaks, in synthesis behind the same connector
    if system == "vocoder":
        return inputs.exp / "vocoder"
    return inputs.exp / ("tts" if task == "tts" else inputs.method)


def fill(task: str, set_: str, system: str, outcomes: dict[str, Outcome] | str, run: Path | None, make: RowMaker) -> list[Row]:
    """Rows of all metrics of one system on one set; a string is the reason for all of them."""
    made = []
    for metric in METRICS[task]:
        outcome, note = (outcomes, None) if isinstance(outcomes, str) else outcomes[metric.name]
        made.append(make(cell(task, metric.name, set_, system), outcome, run, note))
    return made
