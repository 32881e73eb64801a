"""Rows of synthesis: what the judge hears, distance from a natural reading, speaker, speaking rate, speed."""

from ctaplib.evaluate.catalogue import systems
from ctaplib.evaluate.files_measured import EMBEDDING, SYNTHESIS, embedding
from ctaplib.evaluate.inputs import Decoded, Inputs
from ctaplib.evaluate.measure import Job, Measured
from ctaplib.evaluate.results import Row
from ctaplib.evaluate.rows import RowMaker
from ctaplib.evaluate.score_asr import judge_fault, judged
from ctaplib.evaluate.score_speech import Outcome, average, fill, real_time_factor, run_of
from ctaplib.evaluate.speaker import cosine

NO_VOICE = "the speaker judge found no voice in it"
OWN_REFERENCE = "natural speech is its own reference"


def jobs(inputs: Inputs) -> list[Job]:
    """Embeddings of outputs and of the speakers' references; each output beside the natural reading."""
    wanted: list[Job] = []
    for set_ in inputs.sets:
        for system in systems("tts", inputs.method):
            decoded = _items(inputs, system, set_)
            if isinstance(decoded, str):
                continue
            for item in decoded.items:
                wav = decoded.wavs[item["id"]]
                natural = inputs.natural[item["text_utt"]]
                wanted += [Job(EMBEDDING, wav)]
                wanted += [Job(EMBEDDING, path) for path in _references(inputs, item["spk"])]
                wanted += [Job(SYNTHESIS, (wav, natural))] if system != "natural" else []
    return wanted


def rows(inputs: Inputs, measured: Measured, make: RowMaker) -> list[Row]:
    """Every metric of every system; `natural` is the same sentences as they were spoken."""
    made: list[Row] = []
    for set_ in inputs.sets:
        fault = judge_fault(inputs, set_)
        for system in systems("tts", inputs.method):
            decoded = _items(inputs, system, set_)
            outcomes = decoded if isinstance(decoded, str) else _score(inputs, measured, set_, system, decoded, fault)
            made += fill("tts", set_, system, outcomes, run_of(inputs, "tts", system), make)
    return made


def _items(inputs: Inputs, system: str, set_: str) -> Decoded | str:
    if system != "natural":
        return inputs.decoded("tts", system, set_)
    listed = inputs.fixed_list("tts.tsv", set_)
    if isinstance(listed, str):
        return listed
    return Decoded(tuple(listed), {item["id"]: inputs.natural[item["text_utt"]] for item in listed})


def _references(inputs: Inputs, speaker: str) -> tuple:
    wavs = inputs.reference_wavs(speaker)
    return () if isinstance(wavs, str) else wavs


def _score(inputs: Inputs, measured: Measured, set_: str, system: str, decoded: Decoded, fault: str | None) -> dict[str, Outcome]:
    texts = {item["id"]: item["text_utt"] for item in decoded.items}
    natural = system == "natural"
    outcomes: dict[str, Outcome] = {}
    for metric in ("per", "wer"):
        if natural:
            own = {utt: utt for utt in texts.values()}
            outcomes[metric] = judged(inputs, "natural", "natural", set_, metric, own, fault), None
        else:
            outcomes[metric] = judged(inputs, "tts", system, set_, metric, texts, fault), None
    similar = [
        cosine(
            embedding(measured, decoded.wavs[item["id"]]),
            embedding(measured, *_references(inputs, item["spk"])),
        )
        for item in decoded.items
    ]
    outcomes["secs"] = average(similar, f"{NO_VOICE}, or the speaker has no reference utterances")
    if natural:
        outcomes |= dict.fromkeys(("mcd_db", "f0_rmse_st", "speaking_rate_dev_pct"), (OWN_REFERENCE, None))
        return outcomes | {"rtf": ("natural speech is not computed", None)}
    pairs = [measured[Job(SYNTHESIS, (decoded.wavs[item["id"]], inputs.natural[item["text_utt"]]))] for item in decoded.items]
    outcomes["mcd_db"] = average([p.mcd_db for p in pairs], "silent output")
    outcomes["f0_rmse_st"] = average([p.f0_rmse_st for p in pairs], "under 10 frames voiced in both")
    outcomes["speaking_rate_dev_pct"] = average([p.rate_dev_pct for p in pairs], "silent output")
    return outcomes | {"rtf": real_time_factor(decoded)}
