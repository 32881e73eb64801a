"""From places and outcomes to rows: adds the identity of the run, the commit and the command."""

from collections.abc import Mapping
from pathlib import Path

from ctaplib.evaluate.intervals import Estimate
from ctaplib.evaluate.provenance import identity
from ctaplib.evaluate.results import Cell, Identity, Row


class RowMaker:
    """Makes rows of one scoring.

    Args:
        commit: Commit of the library.
        command: The command that a reader types to repeat the number.
        about: By set, what is noted on each of its rows.
    """

    def __init__(self, commit: str | None, command: str | None, about: Mapping[str, str] | None = None) -> None:
        self._commit, self._command, self._about = commit, command, about or {}
        self._known: dict[Path | None, Identity] = {}

    def __call__(self, place: Cell, outcome: Estimate | str, run: Path | None, note: str | None = None) -> Row:
        """One row.

        Args:
            place: Task, metric, set, system.
            outcome: The estimate, or why there is none.
            run: Folder of the run that made the system; None for natural audio.
            note: For readers.
        """
        if run not in self._known:
            self._known[run] = identity(run, self._commit, self._command)
        return place.row(outcome, self._known[run], "; ".join(n for n in (note, self._about.get(place.set)) if n) or None)
