"""From outcomes to rows: adds unit and judge, the identity of the run, the commit and the command."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ctaplib.evaluate.catalogue import METRICS
from ctaplib.evaluate.intervals import Estimate
from ctaplib.evaluate.provenance import identity
from ctaplib.evaluate.results import Identity, Row


@dataclass(frozen=True)
class Outcome:
    """An estimate, or the reason why there is none, and a note for readers."""

    result: Estimate | str
    note: str | None = None


Outcomes = dict[str, Outcome]
"""Outcomes by metric."""


class RowMaker:
    """Makes the rows of one scoring.

    Args:
        commit: Commit of the library.
        command: The command that a reader types to repeat the number.
        about: By set, a note for each of its rows.
    """

    def __init__(self, commit: str | None, command: str | None, about: Mapping[str, str] | None = None) -> None:
        self._commit, self._command, self._about = commit, command, about or {}
        self._known: dict[Path | None, Identity] = {}

    def __call__(self, task: str, set_: str, system: str, outcomes: Outcomes | str, run: Path | None) -> list[Row]:
        """Make the rows of one system on one set.

        Args:
            task: Task of the rows.
            set_: Test set.
            system: Name of the system in the rows.
            outcomes: By metric, those of the task in their order; or the reason why there is none of them.
            run: Folder of the run that made the system; None for natural audio.
        """
        if run not in self._known:
            self._known[run] = identity(run, self._commit, self._command)
        rows = []
        for metric in METRICS[task]:
            outcome = Outcome(outcomes) if isinstance(outcomes, str) else outcomes.get(metric.name)
            if outcome is None:
                continue
            row = Row(task, metric.name, set_, system, None, metric.unit, judge=metric.judge, **vars(self._known[run]))
            note = "; ".join(text for text in (outcome.note, self._about.get(set_)) if text) or None
            if isinstance(outcome.result, str):
                rows.append(replace(row, why=outcome.result, note=note))
            else:
                rows.append(replace(row, **vars(outcome.result), note=note))
        return rows
