"""Align whole data sets: phones.ctm, TextGrids, and an account of every utterance; or take alignments from elsewhere."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ctaplib.align.aligner import Aligner, Outcome
from ctaplib.align.corpus import Utterance, read_utterances
from ctaplib.align.parallel import SHARD
from ctaplib.audio.settings import read_feature_config
from ctaplib.cluster.jobs import map_jobs
from ctaplib.corpus.alignment import (
    Alignment,
    lost_phones,
    read_ctm,
    read_textgrid,
    tile,
    to_durations,
    write_ctm,
    write_textgrid,
)  # fmt: skip
from ctaplib.corpus.perturb import align_copies
from ctaplib.errors import DataError, shortened
from ctaplib.files import read_table, write_tsv
from ctaplib.phones import SILENCE, fold
from ctaplib.runs.log import get_logger, progress

log = get_logger(__name__)

REPORT_FIELDS = ("utt", "status", "reason", "score", "phones", "phones_lost")
NO_FEATURES = "no features: its audio was dropped, see dropped_features.tsv"


def align_set(
    aligner: Aligner, data: Path, dump: Path, *, jobs: int = 1, textgrids: bool = False, max_unaligned_pct: float | None = None
) -> None:
    """Align a set and write `phones.ctm` and `ali_report.tsv` (and `textgrid/`) into its data directory.

    Args:
        aligner: A trained aligner.
        data: `data/<set>`.
        dump: `dump/<set>`.
        jobs: Processes; the result does not depend on them.
        textgrids: Write TextGrids as well.
        max_unaligned_pct: Largest share of unaligned utterances; the aligner's own where not given.

    Raises:
        DataError: too many utterances are not aligned; the files are written all the same.
    """
    utterances = read_utterances(data, dump)
    shards = [utterances[first : first + SHARD] for first in range(0, len(utterances), SHARD)]
    what, work = f"align {data.name}", partial(_align_some, aligner)
    parts = map_jobs(work, shards, jobs, what=what, context="fork", setup=(torch.set_num_threads, (1,)))
    outcomes = [outcome for part in progress(parts, total=len(shards), what=what) for outcome in part]
    limit_pct = aligner.config.max_unaligned_pct if max_unaligned_pct is None else max_unaligned_pct
    write_outcomes(data, utterances, outcomes, textgrids=textgrids, max_unaligned_pct=limit_pct)


def _align_some(aligner: Aligner, utterances: Sequence[Utterance]) -> list[Outcome]:
    return [_align_one(aligner, utterance) for utterance in utterances]


def write_outcomes(
    data: Path, utterances: Sequence[Utterance], outcomes: Sequence[Outcome], *, textgrids: bool, max_unaligned_pct: float
) -> None:
    """Write the alignments and the account of a set.

    Raises:
        DataError: too many utterances are not aligned.
    """
    aligned: dict[str, Alignment] = {}
    rows: list[dict[str, Any]] = []
    faults = []
    for utterance, outcome in zip(utterances, outcomes):
        if outcome.status == "aligned":
            aligned[utterance.utt] = outcome.alignment
        else:
            faults.append(f"{utterance.utt}: {outcome.status}: {outcome.reason}")
        rows.append(
            {
                "utt": utterance.utt,
                "status": outcome.status,
                "reason": outcome.reason.replace("\t", " "),
                "score": f"{outcome.score:.4f}",
                "phones": len(utterance.phones),
                "phones_lost": count_lost(outcome.alignment),
            }
        )
    write_ctm(data / "phones.ctm", aligned)
    write_tsv(data / "ali_report.tsv", rows, REPORT_FIELDS)
    if textgrids:
        for utt, alignment in aligned.items():
            write_textgrid(data / "textgrid" / f"{utt}.TextGrid", alignment)
    phones, lost = sum(row["phones"] for row in rows), sum(row["phones_lost"] for row in rows)
    log.info(
        "%s: %d of %d utterances aligned; %.2f %% of phones own no 25 Hz frame",
        data,
        len(aligned),
        len(rows),
        100 * lost / max(1, phones),
    )
    share_pct = 100 * len(faults) / len(rows)
    if share_pct > max_unaligned_pct:
        raise DataError(
            f"{data}: {len(faults)} of {len(rows)} utterances ({share_pct:.1f} %) are not aligned",
            shortened(faults),
            expected=f"at most {max_unaligned_pct:g} %",
            fix="see ali_report.tsv; correct the text or audio, or raise --max_unaligned_pct",
        )
    if faults:
        log.warning("%s: %d utterances are not aligned, see ali_report.tsv", data, len(faults))


def count_lost(alignment: Alignment) -> int:
    """Phones, silence left out, that own no 25 Hz frame."""
    if not alignment:
        return 0
    phones, durations = to_durations(alignment, max(1, int(alignment[-1].end_s / 0.01 + 1e-6)))
    spoken = np.array([phone != SILENCE for phone in phones])
    return int((lost_phones(durations) & spoken).sum())


def import_set(
    source: Path, data: Path, dump: Path, *, textgrids: bool = False, tier: str = "phones", max_unaligned_pct: float = 2.0
) -> None:
    """Take a set's alignments from CTM files or TextGrids made elsewhere.

    Looked for, in this order: `<source>/<set>/phones.ctm`, `<source>/<set>.ctm` (of `<set>_sp`, that of `<set>`),
    `<source>/phones.ctm`, and `<utt>.TextGrid` anywhere below `<source>`; copies at other speeds have those of their originals.
    Phones must be those of `text.phn`, stress apart.

    Raises:
        DataError: nothing was found, or too many utterances have no usable alignment.
    """
    given = _find_alignments(source, data.name, tier)
    if (data / "utt2uniq").exists():
        given = align_copies(given, read_table(data / "utt2uniq"))
    utterances = read_utterances(data, dump)
    front_end = read_feature_config(dump / "features.yaml")
    frames = read_table(dump / "utt2num_frames")
    outcomes = []
    for utterance in utterances:
        if not utterance.wav:
            outcomes.append(Outcome("failed", [], reason=NO_FEATURES))
        elif utterance.utt not in given:
            outcomes.append(Outcome("failed", [], reason=f"{source} has no alignment of it"))
        else:
            outcomes.append(_adopt(utterance, given[utterance.utt], int(frames[utterance.utt]) * front_end.hop_s))
    write_outcomes(data, utterances, outcomes, textgrids=textgrids, max_unaligned_pct=max_unaligned_pct)


def _align_one(aligner: Aligner, utterance: Utterance) -> Outcome:
    if not utterance.wav:
        return Outcome("failed", [], reason=NO_FEATURES)
    return aligner.align_file(utterance.wav, utterance.phones, utterance.words)


def _adopt(utterance: Utterance, alignment: Alignment, end_s: float) -> Outcome:
    if alignment and alignment[-1].end_s > end_s + 0.1:
        return Outcome("failed", [], reason=f"it ends at {alignment[-1].end_s:.2f} s, the audio at {end_s:.2f} s")
    tiled = tile(alignment, end_s)
    spoken = [place for place, interval in enumerate(tiled) if interval.phone != SILENCE]
    found = [fold(tiled[place].phone) for place in spoken]
    if found != [fold(phone) for phone in utterance.phones]:
        return Outcome("oov", [], reason=f"its phones ({' '.join(found[:8])} ...) are not those of text.phn")
    for place, phone in zip(spoken, utterance.phones):
        tiled[place] = tiled[place]._replace(phone=phone)
    return Outcome("aligned", tiled)


def _find_alignments(source: Path, name: str, tier: str) -> Mapping[str, Alignment]:
    plain = name.removesuffix("_sp")
    for path in (source / name / "phones.ctm", *(source / f"{own}.ctm" for own in (name, plain)), source / "phones.ctm"):
        if path.exists():
            return read_ctm(path)
    grids = sorted(source.rglob("*.TextGrid"))
    if not grids:
        raise DataError(
            f"{source} holds neither {name}/phones.ctm, {name}.ctm, phones.ctm nor TextGrids", fix="check --alignment_dir"
        )
    return {path.stem: read_textgrid(path, tier) for path in grids}
