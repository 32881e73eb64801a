"""Rows of conversion: whose voice it is, at which pitch, with which words."""

from collections.abc import Sequence
from pathlib import Path

from ctaplib.evaluate import intervals
from ctaplib.evaluate.catalogue import systems
from ctaplib.evaluate.files_measured import EMBEDDING, F0, embedding
from ctaplib.evaluate.inputs import Decoded, Inputs
from ctaplib.evaluate.measure import Job, Measured
from ctaplib.evaluate.results import Row
from ctaplib.evaluate.rows import RowMaker
from ctaplib.evaluate.score_asr import judge_fault, judged
from ctaplib.evaluate.score_speech import Outcome, average, fill, real_time_factor, run_of
from ctaplib.evaluate.speaker import cosine
from ctaplib.evaluate.speech_metrics import f0_correlation, f0_offset_st, voiced_median_hz

NO_VOICE = "the speaker judge found no voice in it, or a speaker has no reference utterances"
NATURAL_CLIP = "of the natural prompt clip of each pair"


def jobs(inputs: Inputs) -> list[Job]:
    """F0 and embeddings of outputs, prompts, sources and the references of both speakers."""
    wanted: list[Job] = []
    for set_ in inputs.sets:
        for system in systems("vc", inputs.method):
            decoded = _items(inputs, system, set_)
            if isinstance(decoded, str):
                continue
            speakers = inputs.table(set_, "utt2spk")
            for item in decoded.items:
                wav, references = decoded.wavs[item["id"]], _references(inputs, item["target_spk"])
                source = _references(inputs, speakers[item["source_utt"]])
                wanted += [Job(EMBEDDING, path) for path in (wav, *references, *source)]
                wanted += [Job(F0, path) for path in (wav, *references, inputs.natural[item["source_utt"]])]
    return wanted


def rows(inputs: Inputs, measured: Measured, make: RowMaker) -> list[Row]:
    """Every metric of every system; `natural` is the prompt's voice and the source's words."""
    made: list[Row] = []
    for set_ in inputs.sets:
        fault = judge_fault(inputs, set_)
        for system in systems("vc", inputs.method):
            decoded = _items(inputs, system, set_)
            if isinstance(decoded, str):
                made += fill("vc", set_, system, decoded, run_of(inputs, "vc", system), make)
                continue
            natural = system == "natural"
            outcomes = _voice(inputs, measured, set_, decoded) | _pitch(inputs, measured, decoded)
            outcomes |= _words(inputs, set_, system, decoded, fault)
            outcomes["rtf"] = ("natural speech is not computed", None) if natural else real_time_factor(decoded)
            if natural:
                outcomes["f0_pcc"] = "the natural source is its own contour", None
                for name in ("secs_target", "secs_source", "target_wins_pct", "f0_offset_st"):
                    outcomes[name] = outcomes[name][0], outcomes[name][1] or NATURAL_CLIP
            made += fill("vc", set_, system, outcomes, run_of(inputs, "vc", system), make)
    return made


def _items(inputs: Inputs, system: str, set_: str) -> Decoded | str:
    if system != "natural":
        return inputs.decoded("vc", system, set_)
    listed = inputs.fixed_list("vc_pairs.tsv", set_)
    if isinstance(listed, str):
        return listed
    return Decoded(tuple(listed), {item["id"]: inputs.natural[item["prompt_utt"]] for item in listed})


def _references(inputs: Inputs, speaker: str) -> tuple[Path, ...]:
    wavs = inputs.reference_wavs(speaker)
    return () if isinstance(wavs, str) else wavs


def _voice(inputs: Inputs, measured: Measured, set_: str, decoded: Decoded) -> dict[str, Outcome]:
    speakers = inputs.table(set_, "utt2spk")
    target, source, wins = [], [], []
    for item in decoded.items:
        made = embedding(measured, decoded.wavs[item["id"]])
        own = cosine(made, embedding(measured, *_references(inputs, item["target_spk"])))
        other = cosine(made, embedding(measured, *_references(inputs, speakers[item["source_utt"]])))
        target.append(own)
        source.append(other)
        wins.append(float(own is not None and other is not None and own > other))
    outcomes = {"secs_target": average(target, NO_VOICE), "secs_source": average(source, NO_VOICE)}
    if all(value is None for value in target):
        return outcomes | {"target_wins_pct": (f"no item has it: {NO_VOICE}", None)}
    unheard = sum(value is None for value in target)
    note = f"{unheard} pairs without a voice count as lost" if unheard else None
    return outcomes | {"target_wins_pct": (intervals.mean(wins, 100.0), note)}


def _pitch(inputs: Inputs, measured: Measured, decoded: Decoded) -> dict[str, Outcome]:
    offsets: list[float | None] = []
    correlations: list[float | None] = []
    for item in decoded.items:
        track = measured[Job(F0, decoded.wavs[item["id"]])]
        references = [measured[Job(F0, path)] for path in _references(inputs, item["target_spk"])]
        target_hz = voiced_median_hz(*references) if references else None
        offsets.append(f0_offset_st(voiced_median_hz(track), target_hz))
        correlations.append(f0_correlation(track, measured[Job(F0, inputs.natural[item["source_utt"]])]))
    return {
        "f0_offset_st": average(offsets, "no voiced frame, or no reference utterances", intervals.median),
        "f0_pcc": average(correlations, "under 10 frames voiced in both"),
    }


def _words(inputs: Inputs, set_: str, system: str, decoded: Decoded, fault: str | None) -> dict[str, Outcome]:
    texts = {item["id"]: item["source_utt"] for item in decoded.items}
    outcomes: dict[str, Outcome] = {}
    for metric in ("per", "wer"):
        if system == "natural":
            outcomes[metric] = _natural(inputs, set_, metric, list(texts.values()), fault)
        else:
            outcomes[metric] = judged(inputs, "vc", system, set_, metric, texts, fault), None
    return outcomes


def _natural(inputs: Inputs, set_: str, metric: str, utts: Sequence[str], fault: str | None) -> Outcome:
    own = {utt: utt for utt in utts}
    return judged(inputs, "natural", "natural", set_, metric, own, fault), "of the natural sources, each once"
