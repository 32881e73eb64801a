"""The table of results: which metrics every task has, for which systems, in which unit, and who judges."""

from collections.abc import Sequence
from dataclasses import dataclass

from ctaplib.evaluate.results import Cell

SPEAKER_JUDGE = "resemblyzer"
SPEECH_JUDGE = "ctc_judge"


@dataclass(frozen=True)
class Metric:
    """Name, unit and, where a model decides, the judge."""

    name: str
    unit: str
    judge: str | None = None


_HEARD = (Metric("per", "%", SPEECH_JUDGE), Metric("wer", "%", SPEECH_JUDGE))

METRICS: dict[str, tuple[Metric, ...]] = {
    "align": (
        Metric("boundary_median_ms", "ms"),
        Metric("boundary_within_20ms_pct", "%"),
        Metric("aligned_utts_pct", "%"),
        Metric("accounted_utts_pct", "%"),
        Metric("phones_lost_pct", "%"),
    ),
    "pretrain": (
        Metric("frame_rate_hz", "Hz"),
        Metric("codebook_size", "codes"),
        Metric("bitrate_bps", "bit/s"),
        Metric("codebook_usage_pct", "%"),
        Metric("perplexity", "codes"),
        Metric("phone_retrieval_s2p_top1_pct", "%"),
        Metric("phone_retrieval_p2s_top1_pct", "%"),
        Metric("speaker_probe_pct", "%"),
        Metric("speaker_probe_chance_pct", "%"),
    ),
    "asr": (Metric("per", "%"), Metric("wer", "%"), Metric("cer", "%")),
    "tts": (
        *_HEARD,
        Metric("mcd_db", "dB"),
        Metric("secs", "cosine", SPEAKER_JUDGE),
        Metric("f0_rmse_st", "st"),
        Metric("speaking_rate_dev_pct", "%"),
        Metric("rtf", "ratio"),
    ),
    "vc": (
        Metric("secs_target", "cosine", SPEAKER_JUDGE),
        Metric("secs_source", "cosine", SPEAKER_JUDGE),
        Metric("target_wins_pct", "%", SPEAKER_JUDGE),
        Metric("f0_offset_st", "st"),
        Metric("f0_pcc", "correlation"),
        *_HEARD,
        Metric("rtf", "ratio"),
    ),
    "resynthesis": (
        _HEARD[0],
        Metric("pesq_wb", "MOS-LQO"),
        Metric("stoi", "index"),
        Metric("mcd_db", "dB"),
        Metric("secs", "cosine", SPEAKER_JUDGE),
    ),
    "judge": (
        Metric("per", "%", SPEECH_JUDGE),
        Metric("wer", "%", SPEECH_JUDGE),
        Metric("cer", "%", SPEECH_JUDGE),
    ),
}


def systems(task: str, method: str = "vqctap") -> tuple[str, ...]:
    """Systems of a task; another method puts its name for `vqctap`, and before the recognisers made from it."""
    prefix = "" if method == "vqctap" else f"{method}_"
    return {
        "align": ("aligner", "gmm_mono"),
        "pretrain": (method, "mel", "phones"),
        "asr": (*(prefix + name for name in ("frozen_class", "frozen_ctc", "finetuned")), "supervised_ctc"),
        "tts": (method, "finetuned", "natural"),
        "vc": (method, "finetuned", "natural"),
        "resynthesis": (method, "finetuned", "vocoder", "griffin_lim", "natural"),
        "judge": ("natural",),
    }[task]


def cell(task: str, metric: str, set_: str, system: str) -> Cell:
    """The place of one number.

    Raises:
        KeyError: the task has no such metric.
    """
    for known in METRICS[task]:
        if known.name == metric:
            return Cell(task, metric, set_, system, known.unit, known.judge)
    raise KeyError(f"task {task} has no metric {metric}")


def cells(method: str, sets: Sequence[str]) -> list[Cell]:
    """Every place that `results.json` must fill."""
    return [
        cell(task, metric.name, set_, system)
        for task, metrics in METRICS.items()
        for set_ in sets
        for system in systems(task, method)
        for metric in metrics
    ]
