"""Rows of pre-training: rate and use of the codes, phone retrieval, and how much of the speaker is left."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from ctaplib.audio.store import FeatureStore
from ctaplib.corpus.alignment import Alignment, read_ctm
from ctaplib.evaluate import intervals, probes
from ctaplib.evaluate.catalogue import METRICS, cell, systems
from ctaplib.evaluate.frames import FACTOR, label_frames
from ctaplib.evaluate.inputs import Inputs
from ctaplib.evaluate.intervals import Estimate
from ctaplib.evaluate.measure import Job, Kind, Measured
from ctaplib.evaluate.results import Row
from ctaplib.evaluate.rows import RowMaker
from ctaplib.files import read_table
from ctaplib.phones import SILENCE

Outcomes = dict[str, Estimate | str]
_RETRIEVAL = ("phone_retrieval_s2p_top1_pct", "phone_retrieval_p2s_top1_pct")
_PROBE = ("speaker_probe_pct", "speaker_probe_chance_pct")


@dataclass(frozen=True)
class Task:
    """One heavy measurement of pre-training.

    Attributes:
        inputs: Where things lie.
        set_: Test set.
        system: For the probe, what is probed; "" for the retrieval.
    """

    inputs: Inputs
    set_: str
    system: str = ""


@dataclass(frozen=True)
class Answer:
    """Outcomes by metric, and a note for the rows."""

    outcomes: Outcomes
    note: str | None = None


def jobs(inputs: Inputs) -> list[Job]:
    """One retrieval a set, one probe a set and system."""
    wanted = [Job(RETRIEVAL, Task(inputs, set_)) for set_ in inputs.sets]
    return wanted + [
        Job(PROBE, Task(inputs, set_, system)) for set_ in inputs.sets for system in systems("pretrain", inputs.method)
    ]


def rows(inputs: Inputs, measured: Measured, make: RowMaker) -> list[Row]:
    """Every metric for the codes; mel and phones have the speaker probe only."""
    made = []
    for set_ in inputs.sets:
        for system in systems("pretrain", inputs.method):
            probe: Answer = measured[Job(PROBE, Task(inputs, set_, system))]
            answers: dict[str, Answer] = dict.fromkeys(_PROBE, probe)
            if system == inputs.method:
                retrieval: Answer = measured[Job(RETRIEVAL, Task(inputs, set_))]
                answers.update(dict.fromkeys(_RETRIEVAL, retrieval))
                codes = Answer(code_use(inputs, set_))
            else:
                codes = Answer({m.name: f"{system} is no code and has no joint space" for m in METRICS["pretrain"]})
            run = inputs.exp / inputs.method if system == inputs.method else None
            for metric in METRICS["pretrain"]:
                answer = answers.get(metric.name, codes)
                place = cell("pretrain", metric.name, set_, system)
                made.append(make(place, answer.outcomes[metric.name], run, answer.note))
    return made


def _codes(inputs: Inputs, set_: str) -> Path:
    return inputs.exp / inputs.method / "codes" / set_


def _absent(*paths: Path) -> str | None:
    missing = [path for path in paths if not path.exists()]
    return f"not measured: there is no {missing[0].parent.name}/{missing[0].name}" if missing else None


def code_use(inputs: Inputs, set_: str) -> Outcomes:
    """Rate, size, bit rate, use and perplexity of the codes of one set."""
    names = ("frame_rate_hz", "codebook_size", "bitrate_bps", "codebook_usage_pct", "perplexity")
    folder = _codes(inputs, set_)
    why = _absent(folder / "codes.scp")
    if why:
        return dict.fromkeys(names, why)
    store = FeatureStore(folder / "codes.scp")
    codes = [np.asarray(store[utt], np.int64) for utt in sorted(store)]
    rate = frame_rate_hz(inputs, set_, sum(map(len, codes)))
    outcomes: Outcomes = {names[0]: Estimate(rate, len(codes), None)}
    size = codebook_size(folder)
    if isinstance(size, str):
        return outcomes | dict.fromkeys(names[1:], size)
    counts = np.stack([np.bincount(row, minlength=size) for row in codes])
    return outcomes | {
        names[1]: Estimate(float(size), len(codes), None),
        names[2]: Estimate(rate * float(np.log2(size)), len(codes), None),
        names[3]: intervals.statistic(counts, probes.usage_pct, largest=100.0),
        names[4]: intervals.statistic(counts, probes.perplexity, largest=float(size)),
    }


def frame_rate_hz(inputs: Inputs, set_: str, n_codes: int) -> float:
    """Codes a second: the feature rate over the whole number of feature frames that make one code."""
    header = yaml.safe_load((inputs.dump / set_ / "features.yaml").read_text(encoding="utf-8"))
    store = FeatureStore(_codes(inputs, set_) / "codes.scp")
    lengths = read_table(inputs.dump / set_ / "utt2num_frames")
    frames = sum(int(n) for utt, n in lengths.items() if utt in store)
    return header["rate_hz"] / header["hop_samples"] / max(1, round(frames / n_codes))


def codebook_size(folder: Path) -> int | str:
    """Entries of the code book, from `codes.json` beside the codes; or why it is unknown."""
    path = folder / "codes.json"
    if not path.exists():
        return "not measured: there is no codes.json that names the size of the code book"
    return int(json.loads(path.read_text(encoding="utf-8"))["codebook_size"])


def measure_retrieval(tasks: list[Task]) -> list[Answer]:
    """Phone retrieval in both directions for every task's set."""
    return [_retrieval(task.inputs, task.set_) for task in tasks]


def _retrieval(inputs: Inputs, set_: str) -> Answer:
    folder = _codes(inputs, set_)
    why = _absent(folder / "speech.scp", folder / "phonemes.scp", inputs.data / set_ / "phones.ctm")
    if why:
        return Answer(dict.fromkeys(_RETRIEVAL, why))
    speech, phonemes = FeatureStore(folder / "speech.scp"), FeatureStore(folder / "phonemes.scp")
    labels = read_ctm(inputs.data / set_ / "phones.ctm")
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for utt in sorted(set(speech) & set(phonemes) & set(labels)):
        frames = min(len(speech[utt]), len(phonemes[utt]))
        label = label_frames(labels[utt], frames)
        keep = label.inside & (label.names != SILENCE)
        if keep.any():
            parts.append((speech[utt][:frames][keep], phonemes[utt][:frames][keep], label.names[keep]))
    if len(parts) < 2:
        return Answer(dict.fromkeys(_RETRIEVAL, "fewer than two utterances have frames inside a phone"))
    s, p, names = (np.concatenate(column) for column in zip(*parts))
    utts = np.repeat(np.arange(len(parts)), [len(part[2]) for part in parts])
    phones = np.unique(names, return_inverse=True)[1]
    asked = probes.spread(len(s), inputs.options.retrieval_frames)
    note = f"{len(asked)} queries" + (f", evenly spaced among {len(s)}" if len(asked) < len(s) else "")
    outcomes: Outcomes = {}
    for name, query, bank in zip(_RETRIEVAL, (s, p), (p, s)):
        hits = probes.retrieve(query, bank, phones, utts, asked)
        outcomes[name] = intervals.ratio(hits.right, hits.asked, 100.0)
    return Answer(outcomes, note + "; phones with stress and tone")


def measure_probe(tasks: list[Task]) -> list[Answer]:
    """The speaker probe for every task's set and system."""
    return [_probe(task.inputs, task.set_, task.system) for task in tasks]


def _probe(inputs: Inputs, set_: str, system: str) -> Answer:
    fit, test = inputs.train_set, set_
    fit_speakers, test_speakers = inputs.table(fit, "utt2spk"), inputs.table(test, "utt2spk")
    unseen = set(test_speakers.values()) - set(fit_speakers.values())
    if unseen:
        return Answer(dict.fromkeys(_PROBE, f"{len(unseen)} speakers of {test} are not in {fit}"))
    sequences = _sequences(inputs, (fit, test), system)
    if isinstance(sequences, str):
        return Answer(dict.fromkeys(_PROBE, sequences))
    speakers = sorted(set(test_speakers.values()))
    if len(speakers) < 2:
        return Answer(dict.fromkeys(_PROBE, f"{test} has one speaker only"))
    number = {speaker: index for index, speaker in enumerate(speakers)}
    utts = sorted(utt for utt in sequences[fit] if fit_speakers[utt] in number)
    chosen = probes.choose_train(
        [fit_speakers[utt] for utt in utts], [len(sequences[fit][utt]) for utt in utts],
        inputs.options.probe_train_frames,
    )  # fmt: skip
    train = [(sequences[fit][utts[i]], number[fit_speakers[utts[i]]]) for i in chosen]
    tested = [(sequences[test][utt], number[test_speakers[utt]]) for utt in sorted(sequences[test])]
    hits = probes.speaker_probe(train, tested, len(speakers), inputs.options.probe_l2)
    outcomes: Outcomes = {
        _PROBE[0]: intervals.ratio(hits.right, hits.asked, 100.0),
        _PROBE[1]: Estimate(100.0 / len(speakers), len(tested), None),
    }
    frames = sum(len(sequence) for sequence, _ in train)
    return Answer(outcomes, f"{len(speakers)} speakers; fitted on {frames} frames of {len(train)} utterances of {fit}")


def _sequences(inputs: Inputs, sets: tuple[str, str], system: str) -> dict[str, dict[str, np.ndarray]] | str:
    """25 Hz sequences by set and utterance, (frames, features), of one system; or why there are none."""
    if system == "mel":
        paths = {set_: inputs.dump / set_ / "feats.scp" for set_ in sets}
    elif system == "phones":
        name = "phones_true.ctm" if all((inputs.data / s / "phones_true.ctm").exists() for s in sets) else "phones.ctm"
        paths = {set_: inputs.data / set_ / name for set_ in sets}
    else:
        paths = {set_: _codes(inputs, set_) / "quantized.scp" for set_ in sets}
    why = _absent(*paths.values())
    if why:
        return why
    if system == "phones":
        return _one_hot({set_: read_ctm(path) for set_, path in paths.items()})
    pooled = {set_: FeatureStore(path) for set_, path in paths.items()}
    if system != "mel":
        return {set_: {utt: store[utt] for utt in store} for set_, store in pooled.items()}
    return {set_: {utt: pool(store[utt]) for utt in store} for set_, store in pooled.items()}


def pool(feats: np.ndarray) -> np.ndarray:
    """Average each four 10 ms frames, (frames // 4, bands)."""
    frames = len(feats) // FACTOR
    return feats[: frames * FACTOR].reshape(frames, FACTOR, -1).mean(1)


def _one_hot(tables: Mapping[str, Mapping[str, Alignment]]) -> dict[str, dict[str, np.ndarray]]:
    names = sorted({phone.phone for table in tables.values() for phones in table.values() for phone in phones})
    number = {name: index for index, name in enumerate([SILENCE, *(n for n in names if n != SILENCE)])}
    eye = np.eye(len(number), dtype=np.float32)
    out: dict[str, dict[str, np.ndarray]] = {}
    for set_, table in tables.items():
        out[set_] = {}
        for utt, phones in table.items():
            labels = label_frames(phones, int(phones[-1].end_s * 100 + 0.5) // FACTOR)
            out[set_][utt] = eye[[number[name] for name in labels.names]]
    return out


RETRIEVAL = Kind("phone retrieval", measure_retrieval, chunk=1, first=3)
PROBE = Kind("speaker probe", measure_probe, chunk=1, first=4)
