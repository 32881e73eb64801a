"""Rows from outcomes: adds unit and judge, config hash and seed of the run, the commit and the command."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctaplib.config_file import read_saved
from ctaplib.evaluate.catalogue import METRICS
from ctaplib.evaluate.intervals import Estimate
from ctaplib.evaluate.results import Row


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

    def __call__(self, task: str, set_: str, system: str, outcomes: Outcomes | str, run: Path | None) -> list[Row]:
        """Make the rows of one system on one set.

        Args:
            task: Task of the rows.
            set_: Test set.
            system: Name of the system in the rows.
            outcomes: By metric, those of the task in their order; or the reason why there is none of them.
            run: Folder of the run that made the system; None for natural audio.
        """
        rows = []
        provenance = {"commit": self._commit, "command": self._command} | (_provenance(run) if run else {})
        for metric in METRICS[task]:
            outcome = Outcome(outcomes) if isinstance(outcomes, str) else outcomes.get(metric.name)
            if outcome is None:
                continue
            note = "; ".join(text for text in (outcome.note, self._about.get(set_)) if text) or None
            result = {"why": outcome.result, "value": None} if isinstance(outcome.result, str) else vars(outcome.result)
            rows.append(
                Row(task, metric.name, set_, system, unit=metric.unit, judge=metric.judge, note=note, **result, **provenance)
            )
        return rows


def _provenance(run: Path) -> dict[str, Any]:
    """Read the config hash and the seed of a run; and its command, where the run has a file `command`."""
    found: dict[str, Any] = {}
    if (run / "command").exists():
        found["command"] = (run / "command").read_text(encoding="utf-8").strip()
    if (run / "config.yaml").exists():
        saved = read_saved(run / "config.yaml")
        seed = saved.get("seed")
        found |= {"config_hash": saved.get("config_hash"), "seed": int(seed) if seed is not None else None}
    return found
