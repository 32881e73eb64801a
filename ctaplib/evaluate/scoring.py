"""The whole scoring: collect what every task wants measured, measure it once, make every row of the table."""

from types import ModuleType

from ctaplib.errors import CtapError
from ctaplib.evaluate import (
    catalogue,
    score_align,
    score_asr,
    score_pretrain,
    score_resynthesis,
    score_tts,
    score_vc,
)
from ctaplib.evaluate.files_measured import keep_cache, with_cache
from ctaplib.evaluate.inputs import Inputs
from ctaplib.evaluate.measure import run_jobs
from ctaplib.evaluate.results import Row
from ctaplib.evaluate.rows import RowMaker

TASKS: tuple[ModuleType, ...] = (
    score_align, score_pretrain, score_asr, score_tts, score_vc, score_resynthesis
)  # fmt: skip


def score(inputs: Inputs, make: RowMaker, processes: int) -> list[Row]:
    """Every row, in the order of the catalogue; then those of systems that only some recipes have.

    Raises:
        CtapError: an input contradicts another, or a row of the catalogue was not made.
    """
    cache = inputs.exp / "score" / "speakers.npz"
    wanted = [job for task in TASKS for job in task.jobs(inputs)]
    left, measured, contents = with_cache(wanted, cache)
    measured |= run_jobs(left, processes)
    keep_cache(cache, contents, measured)
    made = {row.key: row for task in TASKS for row in task.rows(inputs, measured, make)}
    places = catalogue.cells(inputs.method, inputs.sets)
    missing = [p for p in places if (p.task, p.metric, p.set, p.system, p.judge or "") not in made]
    if missing:
        raise CtapError(f"{len(missing)} rows were not made, the first {missing[0]}", fix="report this as a defect")
    ordered = [made.pop((p.task, p.metric, p.set, p.system, p.judge or "")) for p in places]
    return ordered + list(made.values())
