"""Alignment of whole sets: `phones.ctm`, TextGrids, and a report on every utterance; or import of alignments."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ctaplib.align.aligner import Aligner, Outcome
from ctaplib.align.corpus import Utterance, read_utterances
from ctaplib.align.parallel import SHARD
from ctaplib.audio.settings import read_feature_config
from ctaplib.cluster.jobs import map_jobs
from ctaplib.corpus.alignment import Alignment, count_lost, read_ctm, read_textgrid, tile, write_ctm, write_textgrid
from ctaplib.corpus.perturb import align_copies
from ctaplib.errors import DataError, shortened
from ctaplib.files import read_table, write_tsv
from ctaplib.phones import SILENCE, fold
from ctaplib.runs.log import get_logger, progress

log = get_logger(__name__)

REPORT_FIELDS = ("utt", "status", "reason", "score", "phones", "phones_lost")
LOST_FRAME_S = 0.04
"""Length of the frames that `phones_lost` counts by: those of codes at 25 Hz."""
NO_FEATURES = "no features: its audio was dropped, see dropped_features.tsv"


def align_set(
    aligner: Aligner, data: Path, dump: Path, *, jobs: int = 1, textgrids: bool = False, max_unaligned_pct: float | None = None
) -> None:
    """Align a set and write `phones.ctm` and `ali_report.tsv` (and `textgrid/`) into its data directory.

    The result does not depend on the number of processes. Without a largest share of unaligned utterances, that of the
    aligner's config holds.

    Raises:
        DataError: too many utterances are not aligned; the files are written all the same.
    """
    utterances = read_utterances(data, dump)
    shards = [utterances[first : first + SHARD] for first in range(0, len(utterances), SHARD)]
    what, work = f"align {data.name}", partial(_align_some, aligner)
    parts = map_jobs(work, shards, jobs, what=what, context="fork", setup=(torch.set_num_threads, (1,)))
    outcomes = [outcome for part in progress(parts, total=len(shards), what=what) for outcome in part]
    limit_pct = aligner.config.max_unaligned_pct if max_unaligned_pct is None else max_unaligned_pct
    hop_s = read_feature_config(dump / "features.yaml").hop_s
    write_outcomes(data, utterances, outcomes, hop_s, textgrids=textgrids, max_unaligned_pct=limit_pct)


def _align_some(aligner: Aligner, utterances: Sequence[Utterance]) -> list[Outcome]:
    failed = Outcome("failed", NO_FEATURES)
    return [aligner.align_file(u.wav, u.phones, u.words) if u.wav else failed for u in utterances]


def write_outcomes(
    data: Path,
    utterances: Sequence[Utterance],
    outcomes: Sequence[Outcome],
    hop_s: float,
    *,
    textgrids: bool,
    max_unaligned_pct: float,
) -> None:
    """Write the alignments and the report of a set.

    Raises:
        DataError: too many utterances are not aligned.
    """
    outcome_of = {utterance.utt: outcome for utterance, outcome in zip(utterances, outcomes)}
    aligned = {utt: o.alignment for utt, o in outcome_of.items() if o.status == "aligned"}
    faults = [f"{utt}: {o.status}: {o.reason}" for utt, o in outcome_of.items() if o.status != "aligned"]
    rows: list[dict[str, Any]] = [
        {
            "utt": utterance.utt,
            "status": outcome.status,
            "reason": outcome.reason.replace("\t", " "),
            "score": f"{outcome.score:.4f}",
            "phones": len(utterance.phones),
            "phones_lost": count_lost(outcome.alignment, hop_s, round(LOST_FRAME_S / hop_s))[0],
        }
        for utterance, outcome in zip(utterances, outcomes)
    ]
    write_ctm(data / "phones.ctm", aligned)
    write_tsv(data / "ali_report.tsv", rows, REPORT_FIELDS)
    if textgrids:
        for utt, alignment in aligned.items():
            write_textgrid(data / "textgrid" / f"{utt}.TextGrid", alignment)
    phones, lost = sum(row["phones"] for row in rows), sum(row["phones_lost"] for row in rows)
    log.info(
        "%s: %d of %d utterances aligned; %.2f %% of phones fill most of no %.0f ms frame",
        data, len(aligned), len(rows), 100 * lost / max(1, phones), 1000 * LOST_FRAME_S,
    )  # fmt: skip
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


def import_set(
    source: Path, data: Path, dump: Path, *, textgrids: bool = False, tier: str = "phones", max_unaligned_pct: float = 2.0
) -> None:
    """Import a set's alignments from CTM files or TextGrids made elsewhere.

    Places, in this order: `<source>/<set>/phones.ctm`, `<source>/<set>.ctm` (of `<set>_sp`, that of `<set>`),
    `<source>/phones.ctm`, and `<utt>.TextGrid` anywhere below `<source>`; copies at other speeds have those of their originals.
    Phones must be those of `text.phn`, stress apart.

    Raises:
        DataError: nothing was found, or too many utterances have no usable alignment.
    """
    given = _find_alignments(source, data.name, tier)
    if (data / "utt2uniq").exists():
        given = align_copies(given, read_table(data / "utt2uniq"))
    utterances = read_utterances(data, dump)
    hop_s = read_feature_config(dump / "features.yaml").hop_s
    frames = read_table(dump / "utt2num_frames")
    outcomes = [_adopt(u, given.get(u.utt), int(frames.get(u.utt, 0)) * hop_s) for u in utterances]
    write_outcomes(data, utterances, outcomes, hop_s, textgrids=textgrids, max_unaligned_pct=max_unaligned_pct)


def _adopt(utterance: Utterance, alignment: Alignment | None, end_s: float) -> Outcome:
    if not utterance.wav:
        return Outcome("failed", NO_FEATURES)
    if alignment is None:
        return Outcome("failed", "--alignment_dir has no alignment of it")
    if alignment and alignment[-1].end_s > end_s + 0.1:
        return Outcome("failed", f"it ends at {alignment[-1].end_s:.2f} s, the audio at {end_s:.2f} s")
    tiled = tile(alignment, end_s)
    spoken = [place for place, interval in enumerate(tiled) if interval.phone != SILENCE]
    found = [fold(tiled[place].phone) for place in spoken]
    if found != [fold(phone) for phone in utterance.phones]:
        return Outcome("oov", f"its phones ({' '.join(found[:8])} ...) are not those of text.phn")
    for place, phone in zip(spoken, utterance.phones):
        tiled[place] = tiled[place]._replace(phone=phone)
    return Outcome("aligned", alignment=tiled)


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
