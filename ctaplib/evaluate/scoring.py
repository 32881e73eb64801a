"""Scoring: list all measurements, run each once, make every row of the table."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from ctaplib.errors import CtapError, DataError, shortened
from ctaplib.evaluate import score_align, score_asr, score_pretrain, score_speech, speaker
from ctaplib.evaluate.catalogue import keys, rows_of_others
from ctaplib.evaluate.files_measured import EMBEDDING
from ctaplib.evaluate.inputs import Inputs
from ctaplib.evaluate.measure import Job, run_jobs
from ctaplib.evaluate.results import Row
from ctaplib.evaluate.rows import RowMaker
from ctaplib.evaluate.score_pairs import Resynthesis, Synthesis
from ctaplib.evaluate.score_vc import Conversion

SPEECH_TASKS = (Synthesis, Conversion, Resynthesis)


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
    jobs = [*score_pretrain.jobs(inputs), *chain.from_iterable(score_speech.jobs(task, inputs) for task in SPEECH_TASKS)]
    measured = _measure(jobs, processes, inputs.exp / "score" / "speakers.npz")
    rows = [row for task in (score_align, score_pretrain, score_asr) for row in task.rows(inputs, measured, make)]
    rows += [row for task in SPEECH_TASKS for row in score_speech.rows(task, inputs, measured, make)]
    made = {row.key: row for row in rows}
    table = keys(inputs.declaration, inputs.sets)
    missing = [key for key in table if key not in made]
    if missing:
        raise CtapError(f"{len(missing)} rows were not made, the first {' '.join(missing[0])}", fix="report this as a defect")
    return [made.pop(key) for key in table] + list(made.values()) + rows_of_others(earlier, inputs.declaration)


def _measure(jobs: Sequence[Job], processes: int, cache: Path) -> dict[Job, Any]:
    """Run the jobs; speaker embeddings of files with the same bytes come from the cache of an earlier scoring.

    The cache is rewritten with the embeddings of this scoring's files, and of no others.

    Raises:
        DataError: files to be embedded are missing; lists them.
    """
    embeddings = {job: job.item for job in jobs if job.kind is EMBEDDING and isinstance(job.item, Path)}
    missing = [str(path) for path in embeddings.values() if not path.exists()]
    if missing:
        raise DataError(f"{len(missing)} audio files are missing", shortened(missing), fix="run the stage that makes them")
    cached = speaker.read_cache(cache)
    digests = {job: speaker.content_key(path) for job, path in embeddings.items()}
    measured: dict[Job, Any] = {job: cached[digest] for job, digest in digests.items() if digest in cached}
    measured |= run_jobs([job for job in jobs if job not in measured], processes)
    speaker.write_cache(cache, {digest: measured[job] for job, digest in digests.items()})
    return measured
