"""Rows arranged for readers: one table a task and set, systems down, metrics across."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ctaplib.evaluate.results import Row

TITLES = {
    "align": "Alignment",
    "pretrain": "Pre-training",
    "asr": "Recognition",
    "tts": "Synthesis",
    "vc": "Conversion",
    "resynthesis": "Resynthesis",
    "judge": "The judge itself",
}
SHORT = {
    "boundary_median_ms": "boundary error, median",
    "boundary_within_20ms_pct": "boundaries within 20 ms",
    "aligned_utts_pct": "aligned",
    "accounted_utts_pct": "accounted for",
    "phones_lost_pct": "phones without a 25 Hz frame",
    "frame_rate_hz": "frame rate",
    "codebook_size": "code book",
    "bitrate_bps": "bit rate",
    "codebook_usage_pct": "codes used",
    "perplexity": "perplexity",
    "phone_retrieval_s2p_top1_pct": "phone retrieval, speech to phonemes",
    "phone_retrieval_p2s_top1_pct": "phone retrieval, phonemes to speech",
    "speaker_probe_pct": "speaker probe",
    "speaker_probe_chance_pct": "its chance level",
    "per": "PER",
    "wer": "WER",
    "cer": "CER",
    "mcd_db": "MCD",
    "secs": "speaker similarity",
    "secs_target": "similarity to target",
    "secs_source": "similarity to source",
    "target_wins_pct": "target wins",
    "f0_rmse_st": "F0 RMSE",
    "f0_offset_st": "F0 offset",
    "f0_pcc": "F0 correlation",
    "speaking_rate_dev_pct": "speaking rate deviation",
    "rtf": "real-time factor",
    "pesq_wb": "PESQ (wide band)",
    "stoi": "STOI",
}
_BARE = {"cosine", "index", "correlation", "ratio", "MOS-LQO", "codes"}


@dataclass(frozen=True)
class Table:
    """Cells of one task on one set.

    Attributes:
        systems: Names down the side; systems with no number at all are left out.
        metrics: Names across the top.
        cells: Row by (system, metric).
        absent: Systems without any number, with the reason.
    """

    task: str
    set: str
    systems: tuple[str, ...]
    metrics: tuple[str, ...]
    cells: dict[tuple[str, str], Row]
    absent: dict[str, str]


def arrange(rows: Sequence[Row]) -> list[Table]:
    """Tables in the order of the rows."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.task, row.set), []).append(row)
    return [_table(task, set_, group) for (task, set_), group in groups.items()]


def _table(task: str, set_: str, rows: Sequence[Row]) -> Table:
    systems = dict.fromkeys(row.system for row in rows)
    measured = {row.system for row in rows if row.value is not None}
    absent = {system: next(row.why or "" for row in rows if row.system == system) for system in systems if system not in measured}
    return Table(
        task,
        set_,
        tuple(system for system in systems if system in measured),
        tuple(dict.fromkeys(row.metric for row in rows)),
        {(row.system, row.metric): row for row in rows},
        absent,
    )


def heading(row: Row) -> str:
    """Name of a column with its unit and judge."""
    unit = "" if row.unit in _BARE else f", {row.unit}"
    judge = f" ({row.judge})" if row.judge else ""
    return f"{SHORT.get(row.metric, row.metric)}{unit}{judge}"


def number(value: float) -> str:
    """Three or four significant digits, without exponents."""
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    size = abs(value)
    return f"{value:.0f}" if size >= 1000 else f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 1 else f"{value:.3f}"


def interval(row: Row) -> str:
    """The interval in brackets, or nothing."""
    return "" if row.ci95 is None else f"[{number(row.ci95[0])}, {number(row.ci95[1])}]"


def gaps(table: Table) -> list[tuple[str, str]]:
    """Empty cells of the systems shown, and why they are empty."""
    return _grouped(table, lambda row: row.why if row.value is None else None)


def notes(table: Table) -> list[tuple[str, str]]:
    """Cells with a note, and the note."""
    return _grouped(table, lambda row: row.note if row.value is not None else None)


def _grouped(table: Table, remark: Callable[[Row], str | None]) -> list[tuple[str, str]]:
    """Cells that share a remark as one phrase, "systems (metrics)"."""
    metrics: dict[tuple[str, str], list[str]] = {}
    for system in table.systems:
        for metric in table.metrics:
            row = table.cells.get((system, metric))
            text = remark(row) if row is not None else None
            if text:
                metrics.setdefault((text, system), []).append(SHORT.get(metric, metric))
    together: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (text, system), names in metrics.items():
        together.setdefault((text, tuple(names)), []).append(system)
    return [(f"{', '.join(systems)} ({'; '.join(names)})", text) for (text, names), systems in together.items()]
