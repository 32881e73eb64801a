"""Rows of recognition (task `asr`) and of the judge itself (task `judge`)."""

from ctaplib.corpus.datadir import read_words
from ctaplib.evaluate.catalogue import METRICS, SPEECH_JUDGE, cell, systems
from ctaplib.evaluate.inputs import Inputs
from ctaplib.evaluate.intervals import Estimate
from ctaplib.evaluate.measure import Job, Measured
from ctaplib.evaluate.results import Row
from ctaplib.evaluate.rows import RowMaker
from ctaplib.evaluate.text_metrics import error_rate, fold_phones
from ctaplib.phones import SILENCE

SEARCHED = "_lm"
"""Ends the names of systems whose phones were searched with an n-gram; only recipes that ask for the search have them."""

_SEARCH_NOTE = "the same output, searched with an n-gram of phones counted on the training transcripts"


def jobs(inputs: Inputs) -> list[Job]:
    """Nothing to measure on files: text is compared when rows are made."""
    return []


def rows(inputs: Inputs, measured: Measured, make: RowMaker) -> list[Row]:
    """PER, WER and CER of every recogniser, then of the judge on natural audio."""
    made = []
    for set_ in inputs.sets:
        note = phone_set_note(inputs, set_)
        for system in systems("asr", inputs.method):
            for name in ("per", "wer", "cer"):
                outcome = _asr(inputs, set_, system, name)
                run = inputs.exp / _run(inputs, system)
                made.append(make(cell("asr", name, set_, system), outcome, run, note if name == "per" else None))
            if not isinstance(inputs.recognised("asr", f"{system}{SEARCHED}", set_, words=False), str):
                outcome = _asr(inputs, set_, f"{system}{SEARCHED}", "per")
                made.append(make(cell("asr", "per", set_, f"{system}{SEARCHED}"), outcome, run, f"{_SEARCH_NOTE}; {note}"))
        for metric in METRICS["judge"]:
            outcome = judged(inputs, "natural", "natural", set_, metric.name, None, None)
            place = cell("judge", metric.name, set_, "natural")
            made.append(make(place, outcome, inputs.exp / "judge", note if metric.name == "per" else None))
    return made


def _run(inputs: Inputs, system: str) -> str:
    base = system.removeprefix(f"{inputs.method}_")
    return f"asr_{base.removesuffix('_ctc')}" if base in ("finetuned", "supervised_ctc") else inputs.method


def _asr(inputs: Inputs, set_: str, system: str, metric: str) -> Estimate | str:
    base = system.removeprefix(f"{inputs.method}_")
    if metric != "per" and base in ("frozen_class", "frozen_ctc"):
        return "a frozen system has no word head"
    hypotheses = inputs.recognised("asr", system, set_, words=metric != "per")
    if isinstance(hypotheses, str):
        if metric != "per" and not isinstance(inputs.recognised("asr", system, set_, words=False), str):
            return "this recogniser has no word head"
        return hypotheses
    return error_rate(metric, _texts(inputs, set_, metric), hypotheses)


def _texts(inputs: Inputs, set_: str, metric: str) -> dict[str, str]:
    """What was said, of all utterances that have features (the features stage lists those that have none)."""
    table = inputs.table(set_, "text.phn") if metric == "per" else read_words(inputs.data / set_)
    return {utt: table[utt] for utt in inputs.audio(set_) if utt in table}


def judged(
    inputs: Inputs,
    task: str,
    system: str,
    set_: str,
    metric: str,
    texts: dict[str, str] | None,
    fault: str | None,
) -> Estimate | str:
    """Error rate of what the judge heard.

    Args:
        inputs: Where things lie.
        task: Task of the judged audio, or "natural".
        system: System that made it, or "natural".
        set_: Test set.
        metric: "per", "wer" or "cer".
        texts: The utterance whose text every item says, by item; None when items are the set's utterances.
        fault: Why the judge is not trusted, or None.
    """
    if fault:
        return fault
    hypotheses = inputs.recognised("judge", task, system, set_, words=metric != "per")
    if isinstance(hypotheses, str):
        return hypotheses.replace("not measured:", "not judged:")
    table = _texts(inputs, set_, metric)
    references = table if texts is None else {item: table[utt] for item, utt in texts.items()}
    return error_rate(metric, references, hypotheses)


def judge_fault(inputs: Inputs, set_: str) -> str | None:
    """Why what the judge heard of a set does not count; None when it does."""
    own = judged(inputs, "natural", "natural", set_, "per", None, None)
    if isinstance(own, str):
        return f"the judge's own PER is unknown: {own}"
    most = inputs.options.judge_max_per
    if own.value > most:
        own_pct = f"{own.value:.1f} %"
        return f"{SPEECH_JUDGE} has a PER of {own_pct} on natural audio of {set_}, over the limit of {most:g} %"
    return None


def phone_set_note(inputs: Inputs, set_: str) -> str:
    """Which phones are compared: how many kinds, after folding."""
    kinds = {phone for text in inputs.table(set_, "text.phn").values() for phone in fold_phones(text)}
    tokens = inputs.dump / "token_list" / "phn" / "tokens.txt"
    if tokens.exists():
        lines = [line.split()[0] for line in tokens.read_text(encoding="utf-8").splitlines() if line.strip()]
        known = {p for p in fold_phones([t for t in lines if t != SILENCE]) if not p.startswith("<")}
        return f"{len(known)} phones of the corpus, {len(kinds)} of them in this set; stress and silence dropped"
    return f"{len(kinds)} phones in this set; stress and silence dropped"
