"""Rows of alignment: distance of phone starts from true times, and the account of every utterance."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ctaplib.corpus.alignment import Alignment, read_ctm
from ctaplib.evaluate import intervals
from ctaplib.evaluate.catalogue import METRICS, cell, systems
from ctaplib.evaluate.frames import count_lost
from ctaplib.evaluate.inputs import Inputs, missing_note
from ctaplib.evaluate.intervals import Estimate
from ctaplib.evaluate.measure import Job, Measured
from ctaplib.evaluate.results import Row
from ctaplib.evaluate.rows import RowMaker
from ctaplib.files import read_tsv
from ctaplib.phones import SILENCE

WITHIN_MS = 20.0
_GRID_SLACK_MS = 0.05


def jobs(inputs: Inputs) -> list[Job]:
    """Nothing to measure on audio."""
    return []


def rows(inputs: Inputs, measured: Measured, make: RowMaker) -> list[Row]:
    """Rows of our aligner (`data/<set>/phones.ctm`) and of others (`<align>/<system>/<set>/phones.ctm`)."""
    made = []
    for set_ in inputs.sets:
        for system in systems("align", inputs.method):
            own = system == "aligner"
            folder = inputs.data / set_ if own else inputs.align / system / set_
            outcomes, note = score_folder(inputs, set_, folder)
            for metric in METRICS["align"]:
                place = cell("align", metric.name, set_, system)
                about = note if metric.name.startswith("boundary") else None
                made.append(make(place, outcomes[metric.name], inputs.align if own else folder, about))
    return made


def score_folder(inputs: Inputs, set_: str, folder: Path) -> tuple[dict[str, Estimate | str], str | None]:
    """All metrics of the alignment of one set, or why there are none; and a note on what was left out."""
    names = [metric.name for metric in METRICS["align"]]
    if not (folder / "phones.ctm").exists():
        why = "not measured: there is no alignment of this set by this aligner"
        return dict.fromkeys(names, why), None
    utts = inputs.table(set_, "text.phn")
    aligned = read_ctm(folder / "phones.ctm")
    outcomes, note = _boundaries(inputs.data / set_ / "phones_true.ctm", utts, aligned)
    done = [100.0 * bool(aligned.get(utt)) for utt in utts]
    listed = _listed(folder / "ali_report.tsv")
    outcomes["aligned_utts_pct"] = intervals.mean(done)
    outcomes["accounted_utts_pct"] = intervals.mean([100.0 * (bool(aligned.get(u)) or u in listed) for u in utts])
    lost, phones = zip(*(count_lost(aligned.get(utt, [])) for utt in utts))
    outcomes["phones_lost_pct"] = intervals.ratio(lost, phones, 100.0) if sum(phones) else "no phone is aligned"
    return outcomes, note


def _listed(path: Path) -> set[str]:
    """Utterances of which the report says that they are aligned, or why not."""
    if not path.exists():
        return set()
    return {row["utt"] for row in read_tsv(path) if row.get("status") == "aligned" or row.get("reason")}


def _boundaries(
    truth: Path, utts: Mapping[str, str], aligned: Mapping[str, Alignment]
) -> tuple[dict[str, Estimate | str], str | None]:
    names = ("boundary_median_ms", "boundary_within_20ms_pct")
    if not truth.exists():
        return dict.fromkeys(names, "the corpus has no true phone times"), None
    true = read_ctm(truth)
    errors = [start_errors_ms(true.get(utt, []), aligned.get(utt, [])) for utt in utts]
    known = [e for e in errors if e is not None and len(e)]
    if not known:
        return dict.fromkeys(names, "no utterance has the same phones in truth and alignment"), None
    inside = [float((e <= WITHIN_MS + _GRID_SLACK_MS).sum()) for e in known]
    within = intervals.ratio(inside, [float(len(e)) for e in known], 100.0)
    note = missing_note(errors, len(known), "not aligned, or the phones are not those of the truth")
    return {names[0]: intervals.median(known), names[1]: within}, note


def start_errors_ms(true: Alignment, found: Alignment) -> np.ndarray | None:
    """Absolute error of the start of every phone, silence apart; None when the phones are not the same."""
    first = [phone for phone in true if phone.phone != SILENCE]
    second = [phone for phone in found if phone.phone != SILENCE]
    if [phone.phone for phone in first] != [phone.phone for phone in second]:
        return None
    return 1000.0 * np.abs(np.array([a.start_s - b.start_s for a, b in zip(first, second)]))
