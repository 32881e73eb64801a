"""Rows of resynthesis: how much of an utterance survives the codes, or the vocoder alone."""

from ctaplib.evaluate.catalogue import systems
from ctaplib.evaluate.files_measured import EMBEDDING, RESYNTHESIS, embedding
from ctaplib.evaluate.inputs import Decoded, Inputs
from ctaplib.evaluate.measure import Job, Measured
from ctaplib.evaluate.results import Row
from ctaplib.evaluate.rows import RowMaker
from ctaplib.evaluate.score_asr import judge_fault, judged
from ctaplib.evaluate.score_speech import Outcome, average, fill, run_of
from ctaplib.evaluate.score_tts import OWN_REFERENCE
from ctaplib.evaluate.speaker import cosine


def jobs(inputs: Inputs) -> list[Job]:
    """Each output beside its original, and embeddings of outputs and references."""
    wanted: list[Job] = []
    for set_ in inputs.sets:
        for system in systems("resynthesis", inputs.method):
            decoded = _items(inputs, system, set_)
            if isinstance(decoded, str):
                continue
            speakers = inputs.table(set_, "utt2spk")
            for item in decoded.items:
                utt = item["id"]
                references = inputs.reference_wavs(speakers[utt])
                wanted += [Job(EMBEDDING, decoded.wavs[utt])]
                wanted += [Job(EMBEDDING, path) for path in (() if isinstance(references, str) else references)]
                wanted += [Job(RESYNTHESIS, (decoded.wavs[utt], inputs.natural[utt]))] if system != "natural" else []
    return wanted


def rows(inputs: Inputs, measured: Measured, make: RowMaker) -> list[Row]:
    """Every metric of every system; `natural` is the original."""
    made: list[Row] = []
    for set_ in inputs.sets:
        fault = judge_fault(inputs, set_)
        for system in systems("resynthesis", inputs.method):
            decoded = _items(inputs, system, set_)
            outcomes = decoded if isinstance(decoded, str) else _score(inputs, measured, set_, system, decoded, fault)
            made += fill("resynthesis", set_, system, outcomes, run_of(inputs, "resynthesis", system), make)
    return made


def _items(inputs: Inputs, system: str, set_: str) -> Decoded | str:
    """What a system resynthesised; for `natural`, the originals of what the first system with output did."""
    if system != "natural":
        return inputs.decoded("resynthesis", system, set_)
    for other in systems("resynthesis", inputs.method):
        decoded = "" if other == "natural" else inputs.decoded("resynthesis", other, set_)
        if not isinstance(decoded, str):
            return Decoded(decoded.items, {item["id"]: inputs.natural[item["id"]] for item in decoded.items})
    return f"not measured: nothing of {set_} was resynthesised"


def _score(inputs: Inputs, measured: Measured, set_: str, system: str, decoded: Decoded, fault: str | None) -> dict[str, Outcome]:
    speakers = inputs.table(set_, "utt2spk")
    utts = [item["id"] for item in decoded.items]
    texts = {utt: utt for utt in utts}
    natural = system == "natural"
    place = ("natural", "natural") if natural else ("resynthesis", system)
    outcomes: dict[str, Outcome] = {"per": (judged(inputs, *place, set_, "per", texts, fault), None)}
    similar: list[float | None] = []
    for utt in utts:
        references = inputs.reference_wavs(speakers[utt])
        usable = not isinstance(references, str) and inputs.natural[utt] not in references
        mean = embedding(measured, *references) if usable else None
        similar.append(cosine(embedding(measured, decoded.wavs[utt]), mean))
    outcomes["secs"] = average(similar, "it is a reference utterance, its speaker has none, or no voice was found in it")
    if natural:
        return outcomes | dict.fromkeys(("pesq_wb", "stoi", "mcd_db"), (OWN_REFERENCE, None))
    pairs = [measured[Job(RESYNTHESIS, (decoded.wavs[utt], inputs.natural[utt]))] for utt in utts]
    outcomes["pesq_wb"] = average([p.pesq_wb for p in pairs], "PESQ found no speech in it")
    outcomes["stoi"] = average([p.stoi for p in pairs], "under 0.4 s of speech")
    outcomes["mcd_db"] = average([p.mcd_db for p in pairs], "silent output")
    return outcomes
