"""The whole scoring: list all measurements, run each once, make every row of the table."""

from collections.abc import Sequence
from itertools import chain

from ctaplib.errors import CtapError
from ctaplib.evaluate import score_align, score_asr, score_pairs, score_pretrain, score_speech, score_vc
from ctaplib.evaluate.catalogue import keys, rows_of_others
from ctaplib.evaluate.files_measured import keep_cache, with_cache
from ctaplib.evaluate.inputs import Inputs
from ctaplib.evaluate.measure import run_jobs
from ctaplib.evaluate.results import Row
from ctaplib.evaluate.rows import RowMaker

SPEECH_TASKS = (score_pairs.TTS, score_vc.VC, score_pairs.RESYNTHESIS)


def score(inputs: Inputs, make: RowMaker, processes: int, earlier: Sequence[Row] = ()) -> list[Row]:
    """Make every row of a method.

    Args:
        inputs: Folders and names.
        make: Makes the rows.
        processes: Processes that measure.
        earlier: Rows of an earlier scoring; those of other methods are kept.

    Returns:
        Rows in the order of the tables, those of systems that only some recipes have, then those of other methods.

    Raises:
        CtapError: an input contradicts another, or a row of the table was not made.
    """
    cache = inputs.exp / "score" / "speakers.npz"
    jobs = [*score_pretrain.jobs(inputs), *chain.from_iterable(score_speech.jobs(task, inputs) for task in SPEECH_TASKS)]
    left, measured, contents = with_cache(jobs, cache)
    measured |= run_jobs(left, processes)
    keep_cache(cache, contents, measured)
    rows = [row for task in (score_align, score_pretrain, score_asr) for row in task.rows(inputs, measured, make)]
    rows += [row for task in SPEECH_TASKS for row in score_speech.rows(task, inputs, measured, make)]
    made = {row.key: row for row in rows}
    table = keys(inputs.declaration, inputs.sets)
    missing = [key for key in table if key not in made]
    if missing:
        raise CtapError(f"{len(missing)} rows were not made, the first {' '.join(missing[0])}", fix="report this as a defect")
    return [made.pop(key) for key in table] + list(made.values()) + rows_of_others(earlier, inputs.declaration)
