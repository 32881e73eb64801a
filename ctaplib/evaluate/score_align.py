"""Rows of alignment: distance of phone starts from true times, and the account of every utterance."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ctaplib.corpus.alignment import Alignment, count_lost, read_ctm
from ctaplib.evaluate import intervals
from ctaplib.evaluate.frames import reference_frames
from ctaplib.evaluate.inputs import Inputs, missing_note
from ctaplib.evaluate.measure import Measured
from ctaplib.evaluate.results import Row
from ctaplib.evaluate.rows import Outcome, Outcomes, RowMaker
from ctaplib.files import read_tsv
from ctaplib.methods.base import systems
from ctaplib.phones import SILENCE

WITHIN_MS = 20.0
_GRID_SLACK_MS = 0.05


def rows(inputs: Inputs, measured: Measured, make: RowMaker) -> list[Row]:
    """Make the rows of our aligner (`data/<set>/phones.ctm`) and of others (`<align>/<system>/<set>/phones.ctm`)."""
    made = []
    for set_ in inputs.sets:
        for system in systems("align"):
            run = inputs.run(system) or inputs.align / system.name / set_
            folder = inputs.data / set_ if run == inputs.align else run
            made += make("align", set_, system.name, score_folder(inputs, set_, folder), run)
    return made


def score_folder(inputs: Inputs, set_: str, folder: Path) -> Outcomes | str:
    """Compute all metrics of the alignment of one set; or return why there are none."""
    if not (folder / "phones.ctm").exists():
        return "not measured: there is no alignment of this set by this aligner"
    utts = inputs.table(set_, "text.phn")
    aligned = read_ctm(folder / "phones.ctm")
    outcomes = _boundaries(inputs.data / set_ / "phones_true.ctm", utts, aligned)
    outcomes["aligned_utts_pct"] = Outcome(intervals.mean([100.0 * bool(aligned.get(utt)) for utt in utts]))
    report = folder / "ali_report.tsv"
    lines = read_tsv(report) if report.exists() else []
    listed = {row["utt"] for row in lines if row.get("status") == "aligned" or row.get("reason")}
    accounted = [100.0 * (bool(aligned.get(utt)) or utt in listed) for utt in utts]
    outcomes["accounted_utts_pct"] = Outcome(intervals.mean(accounted))
    frames = reference_frames(inputs.hop_s(set_))
    lost, phones = zip(*(count_lost(aligned.get(utt, []), frames.hop_s, frames.hop) for utt in utts))
    share = intervals.ratio(lost, phones, 100.0) if sum(phones) else "no phone is aligned"
    outcomes["phones_lost_pct"] = Outcome(share, f"frames of {1000 * frames.seconds:.3g} ms")
    return outcomes


def _boundaries(truth: Path, utts: Mapping[str, str], aligned: Mapping[str, Alignment]) -> Outcomes:
    names = ("boundary_median_ms", "boundary_within_20ms_pct")
    if not truth.exists():
        return dict.fromkeys(names, Outcome("the corpus has no true phone times"))
    true = read_ctm(truth)
    errors = [start_errors_ms(true.get(utt, []), aligned.get(utt, [])) for utt in utts]
    measured = [e for e in errors if e is not None and len(e)]
    if not measured:
        return dict.fromkeys(names, Outcome("no utterance has the same phones in truth and alignment"))
    inside = [float((e <= WITHIN_MS + _GRID_SLACK_MS).sum()) for e in measured]
    within = intervals.ratio(inside, [float(len(e)) for e in measured], 100.0)
    note = missing_note(errors, len(measured), "not aligned, or the phones are not those of the truth")
    return {names[0]: Outcome(intervals.median(measured), note), names[1]: Outcome(within, note)}


def start_errors_ms(true: Alignment, aligned: Alignment) -> np.ndarray | None:
    """Return the absolute error of the start of every phone, silence apart; None when the phones are not the same."""
    first, second = ([phone for phone in phones if phone.phone != SILENCE] for phones in (true, aligned))
    if [phone.phone for phone in first] != [phone.phone for phone in second]:
        return None
    return 1000.0 * np.abs(np.array([a.start_s - b.start_s for a, b in zip(first, second)]))
