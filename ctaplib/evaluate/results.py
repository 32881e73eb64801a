"""Result rows: one measured number (or the reason why there is none), with all that is needed to repeat it.

Rows are unique by (task, metric, set, system, judge). A row has a finite value, or `null` and a `why`.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from ctaplib.errors import DataError
from ctaplib.files import write_json

Key = tuple[str, str, str, str, str]
OPTIONAL = ("why", "note")


@dataclass(frozen=True)
class Row:
    """A row of `results.json`.

    Attributes:
        set: The data set's name.
        value: The number in `unit`, or None together with `why`.
        n: Items (utterances, pairs) behind it.
        ci95: 95 % interval, bootstrapped over items.
        judge: Who judged, where a model did.
        config_hash: Hash of the config of the run that made the system.
        seed: Seed of that run.
        note: What a reader must know to compare: the phone set, what was skipped and why.
    """

    task: str
    metric: str
    set: str
    system: str
    value: float | None
    unit: str
    n: int = 0
    ci95: tuple[float, float] | None = None
    judge: str | None = None
    config_hash: str | None = None
    commit: str | None = None
    seed: int | None = None
    command: str | None = None
    why: str | None = None
    note: str | None = None

    @property
    def key(self) -> Key:
        """The fields that make the row unique."""
        return self.task, self.metric, self.set, self.system, self.judge or ""

    def faults(self) -> list[str]:
        """List what is wrong with the row; empty where it may be kept."""
        name = " ".join(part for part in self.key if part)
        faults = {f"{field} is empty": not getattr(self, field) for field in ("task", "metric", "set", "system", "unit")}
        if self.value is None:
            faults["the value is null without a why"] = not self.why
        else:
            finite = not isinstance(self.value, bool) and math.isfinite(self.value)
            faults[f"the value is {self.value}, expected a finite number or null with a why"] = not finite
            faults["it has a value and a why"] = bool(self.why)
            faults[f"n is {self.n}"] = self.n < 1
            faults[f"ci95 {self.ci95} is not an interval"] = self.ci95 is not None and not self.ci95[0] <= self.ci95[1]
        return [f"{name}: {fault}" for fault, holds in faults.items() if holds]

    def to_json(self) -> dict[str, object]:
        """Return the row as it is written; numbers rounded to six significant digits."""
        document = {name: value for name, value in vars(self).items() if value or name not in OPTIONAL}
        if self.value is not None:
            document["value"] = significant(self.value)
        if self.ci95 is not None:
            document["ci95"] = [significant(edge) for edge in self.ci95]
        return document


FIELDS = tuple(field.name for field in fields(Row) if field.name not in OPTIONAL)


def significant(value: float) -> float:
    """Round to six significant digits, so that the last bits of a sum do not show."""
    return float(f"{value:.6g}")


def check(rows: Sequence[Row], where: str, fix: str = "score again") -> None:
    """Refuse rows that break the rules of the module.

    Raises:
        DataError: lists every fault.
    """
    faults = [fault for row in rows for fault in row.faults()]
    seen: set[Key] = set()
    for row in rows:
        if row.key in seen:
            faults.append(f"{' '.join(part for part in row.key if part)}: there are two such rows")
        seen.add(row.key)
    if faults:
        expected = "unique rows, each with a value or a why"
        raise DataError(f"{where} has {len(faults)} faulty rows", faults, expected=expected, fix=fix)


def merge(old: Iterable[Row], new: Iterable[Row]) -> list[Row]:
    """Merge rows in the order of first appearance; of two with the same key, the new one stays.

    An old number stays where the `why` of the new row begins with "not measured", because it exists in principle but was
    not measured this time: each row names its own commit, config and command.
    """
    table = {row.key: row for row in old}
    for row in new:
        earlier = table.get(row.key)
        unmeasured = row.value is None and (row.why or "").startswith("not measured")
        if earlier is None or earlier.value is None or not unmeasured:
            table[row.key] = row
    return list(table.values())


def write_results(path: str | Path, rows: Sequence[Row]) -> None:
    """Write checked rows.

    Raises:
        DataError: a row is faulty; nothing is written.
    """
    check(rows, str(path))
    write_json(path, [row.to_json() for row in rows])


def read_results(path: str | Path, fix: str = "score again") -> list[Row]:
    """Read and check rows.

    Args:
        path: The file.
        fix: What to do about a faulty file.

    Raises:
        DataError: the file is missing, is not a list of rows, or breaks a rule.
    """
    path = Path(path)
    try:
        documents = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing", fix="run the stage score (12)") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not JSON: {error}", fix=fix) from error
    if not isinstance(documents, list):
        raise DataError(f"{path} is a {type(documents).__name__}", expected="a list of rows", fix=fix)
    rows, faults = [], []
    for number, document in enumerate(documents, 1):
        try:
            rows.append(_row(document))
        except (TypeError, KeyError, ValueError) as error:
            faults.append(f"{path}: row {number}: {error}")
    if faults:
        raise DataError(f"{path} has {len(faults)} malformed rows", faults, fix=fix)
    check(rows, str(path), fix)
    return rows


def _row(document: dict) -> Row:
    missing = [field for field in FIELDS if field not in document]
    if missing:
        raise KeyError(f"{', '.join(missing)} missing")
    if document["ci95"] is not None:
        low, high = document["ci95"]
        document["ci95"] = (float(low), float(high))
    return Row(**document)
