"""Rows of recognition (task `asr`) and of the judge itself (task `judge`)."""

from ctaplib.corpus.datadir import read_words
from ctaplib.evaluate.catalogue import SEARCHED, SPEECH_JUDGE
from ctaplib.evaluate.inputs import Inputs
from ctaplib.evaluate.intervals import Estimate
from ctaplib.evaluate.measure import Measured
from ctaplib.evaluate.results import Row
from ctaplib.evaluate.rows import Outcome, Outcomes, RowMaker
from ctaplib.evaluate.text_metrics import error_rate, fold_phones
from ctaplib.methods.base import System, systems
from ctaplib.phones import SILENCE

_SEARCH_NOTE = "the same output, searched with an n-gram of phones counted on the training transcripts"


def rows(inputs: Inputs, measured: Measured, make: RowMaker) -> list[Row]:
    """Make the rows of every recogniser, then those of the judge on natural audio."""
    made = []
    for set_ in inputs.sets:
        note = phone_set_note(inputs, set_)
        for system in systems("asr"):
            name, run = inputs.name(system), inputs.run(system)
            outcomes = inputs.missing(system) or _recogniser(inputs, set_, system, note)
            made += make("asr", set_, name, outcomes, run)
            if not isinstance(inputs.recognised("asr", name + SEARCHED, set_, words=False), str):
                searched = Outcome(_rate(inputs, set_, name + SEARCHED, "per"), f"{_SEARCH_NOTE}; {note}")
                made += make("asr", set_, name + SEARCHED, {"per": searched}, run)
        notes = {"per": note, "wer": None, "cer": None}
        own = {name: Outcome(judged(inputs, "natural", "natural", set_, name), about) for name, about in notes.items()}
        made += make("judge", set_, "natural", own, inputs.exp / "judge")
    return made


def _recogniser(inputs: Inputs, set_: str, system: System, note: str) -> Outcomes:
    name = inputs.name(system)
    outcomes = {"per": Outcome(_rate(inputs, set_, name, "per"), note)}
    for metric in ("wer", "cer"):
        frozen = not system.shared and system.run == "pretrain"
        outcomes[metric] = Outcome("a frozen system has no word head" if frozen else _rate(inputs, set_, name, metric))
    return outcomes


def _rate(inputs: Inputs, set_: str, system: str, metric: str) -> Estimate | str:
    folder = inputs.exp / "decode" / "asr" / system / set_
    if metric != "per" and (folder / "hyp.phn").exists() and not (folder / "hyp.txt").exists():
        return "this recogniser has no word head"
    return _error_rate(inputs, set_, metric, "asr", system)


def _error_rate(inputs: Inputs, set_: str, metric: str, *place: str, texts: dict[str, str] | None = None) -> Estimate | str:
    """Compute an error rate over the utterances that have features (the features stage lists those that have none)."""
    hypotheses = inputs.recognised(*place, set_, words=metric != "per")
    if isinstance(hypotheses, str):
        return hypotheses
    table = inputs.table(set_, "text.phn") if metric == "per" else read_words(inputs.data / set_)
    table = {utt: table[utt] for utt in inputs.audio(set_) if utt in table}
    return error_rate(metric, table if texts is None else {item: table[utt] for item, utt in texts.items()}, hypotheses)


def judged(inputs: Inputs, task: str, system: str, set_: str, metric: str, texts: dict[str, str] | None = None) -> Estimate | str:
    """Compute an error rate from what the judge recognised.

    Args:
        inputs: Folders and names.
        task: Task of the judged audio, or "natural".
        system: System that made it, or "natural".
        set_: Test set.
        metric: "per", "wer" or "cer".
        texts: Utterance with the text of each item; None where items are the utterances of the set.
    """
    rate = _error_rate(inputs, set_, metric, "judge", task, system, texts=texts)
    return rate.replace("not measured:", "not judged:") if isinstance(rate, str) else rate


def judge_fault(inputs: Inputs, set_: str) -> str | None:
    """Return why what the judge recognised on a set does not count; None when it does."""
    own = judged(inputs, "natural", "natural", set_, "per")
    if isinstance(own, str):
        return f"the judge's own PER is unknown: {own}"
    most = inputs.judge_max_per
    if own.value > most:
        own_pct = f"{own.value:.1f} %"
        return f"{SPEECH_JUDGE} has a PER of {own_pct} on natural audio of {set_}, over the limit of {most:g} %"
    return None


def phone_set_note(inputs: Inputs, set_: str) -> str:
    """Return a note on the phones that are compared: how many kinds, after folding."""
    kinds = {phone for text in inputs.table(set_, "text.phn").values() for phone in fold_phones(text)}
    tokens = inputs.dump / "token_list" / "phn" / "tokens.txt"
    if tokens.exists():
        lines = [line.split()[0] for line in tokens.read_text(encoding="utf-8").splitlines() if line.strip()]
        known = {p for p in fold_phones([t for t in lines if t != SILENCE]) if not p.startswith("<")}
        return f"{len(known)} phones of the corpus, {len(kinds)} of them in this set; stress and silence dropped"
    return f"{len(kinds)} phones in this set; stress and silence dropped"
