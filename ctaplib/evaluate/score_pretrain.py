"""Rows of pre-training: rate and use of the codes, phone retrieval, speaker probe."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ctaplib.audio.store import FeatureStore
from ctaplib.corpus.alignment import Alignment, read_ctm
from ctaplib.evaluate import intervals, probes
from ctaplib.evaluate.catalogue import METRICS
from ctaplib.evaluate.frames import Frames, label_frames, reference_frames
from ctaplib.evaluate.inputs import Inputs
from ctaplib.evaluate.intervals import Estimate
from ctaplib.evaluate.measure import Job, Kind, Measured
from ctaplib.evaluate.results import Row
from ctaplib.evaluate.rows import Outcome, Outcomes, RowMaker
from ctaplib.methods.base import System, systems
from ctaplib.nn.codebook_use import perplexity, usage_pct
from ctaplib.phones import SILENCE

PROBE_TRAIN_FRAMES = 32000
"""Content frames that the speaker probe is fitted on, at most."""
PROBE_L2 = 1e-4
"""Weight of the probe's L2 penalty, per frame."""
RETRIEVAL_QUERIES = 50000
"""Queries of the phone retrieval, at most."""
_RETRIEVAL = ("phone_retrieval_s2p_top1_pct", "phone_retrieval_p2s_top1_pct")
_PROBE = ("speaker_probe_pct", "speaker_probe_chance_pct")


@dataclass(frozen=True)
class Measurement:
    """A slow measurement of pre-training; `system` is set for probes only."""

    inputs: Inputs
    set: str
    system: str = ""


def jobs(inputs: Inputs) -> list[Job]:
    """List one retrieval for each set, and one probe for each set and system."""
    probed = [inputs.name(system) for system in systems("pretrain") if not inputs.missing(system)]
    retrieved = () if inputs.declaration.missing("content", "phonemes") else inputs.sets
    found = [Job(RETRIEVAL, Measurement(inputs, set_)) for set_ in retrieved]
    return found + [Job(PROBE, Measurement(inputs, set_, system)) for set_ in inputs.sets for system in probed]


def rows(inputs: Inputs, measured: Measured, make: RowMaker) -> list[Row]:
    """Make the pre-training rows of every set; the baselines, mel and true phones, have the speaker probe only."""
    made = []
    for set_ in inputs.sets:
        for system in systems("pretrain"):
            outcomes = inputs.missing(system) or _outcomes(inputs, measured, set_, system)
            made += make("pretrain", set_, inputs.name(system), outcomes, inputs.run(system))
    return made


def _outcomes(inputs: Inputs, measured: Measured, set_: str, system: System) -> Outcomes:
    name = inputs.name(system)
    probe = measured[Job(PROBE, Measurement(inputs, set_, name))]
    if system.shared:
        return dict.fromkeys((m.name for m in METRICS["pretrain"]), Outcome(f"{name} is no code and has no joint space")) | probe
    outcomes = code_use(inputs, set_) | probe
    outcomes |= measured.get(Job(RETRIEVAL, Measurement(inputs, set_)), {})
    for metric in METRICS["pretrain"]:
        missing = inputs.declaration.missing(*metric.needs)
        if missing:
            outcomes[metric.name] = Outcome(missing)
    return outcomes


def _absent(*paths: Path) -> str | None:
    missing = [path for path in paths if not path.exists()]
    return f"not measured: there is no {missing[0].parent.name}/{missing[0].name}" if missing else None


def code_use(inputs: Inputs, set_: str) -> Outcomes:
    """Compute the rate of the content of one set; and size, bit rate, use and perplexity of its codes."""
    names = ("frame_rate_hz", "codebook_size", "bitrate_bps", "codebook_usage_pct", "perplexity")
    coded = not inputs.declaration.missing("codes")
    paths = [inputs.codes(set_) / name for name in (("codes.scp", "speech.scp", "codes.json") if coded else ("speech.scp",))]
    why = _absent(*paths)
    if why:
        return dict.fromkeys(names, Outcome(why))
    rate, n = 1.0 / inputs.content_frames(set_).seconds, len(FeatureStore(paths[0]))
    outcomes = {names[0]: Outcome(Estimate(rate, n, None))}
    counts = inputs.code_counts(set_)
    if counts is None:
        return outcomes
    size = counts.shape[1]
    return outcomes | {
        names[1]: Outcome(Estimate(float(size), n, None)),
        names[2]: Outcome(Estimate(rate * float(np.log2(size)), n, None)),
        names[3]: Outcome(intervals.statistic(counts, lambda sets: usage_pct(torch.from_numpy(sets)).numpy(), largest=100.0)),
        names[4]: Outcome(intervals.statistic(counts, lambda sets: perplexity(torch.from_numpy(sets)).numpy(), float(size))),
    }


def measure_retrieval(measurement: Measurement) -> Outcomes:
    """Measure phone retrieval in both directions."""
    inputs, set_ = measurement.inputs, measurement.set
    folder = inputs.codes(set_)
    why = _absent(folder / "speech.scp", folder / "phonemes.scp", inputs.data / set_ / "phones.ctm")
    if why:
        return dict.fromkeys(_RETRIEVAL, Outcome(why))
    speech, phonemes = FeatureStore(folder / "speech.scp"), FeatureStore(folder / "phonemes.scp")
    labels, frames = read_ctm(inputs.data / set_ / "phones.ctm"), inputs.content_frames(set_)
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for utt in sorted(set(speech) & set(phonemes) & set(labels)):
        count = min(len(speech[utt]), len(phonemes[utt]))
        names, inside = label_frames(labels[utt], count, frames)
        keep = inside & (names != SILENCE)
        if keep.any():
            parts.append((speech[utt][:count][keep], phonemes[utt][:count][keep], names[keep]))
    if len(parts) < 2:
        return dict.fromkeys(_RETRIEVAL, Outcome("fewer than two utterances have frames inside a phone"))
    s, p, labelled = (np.concatenate(column) for column in zip(*parts))
    utts = np.repeat(np.arange(len(parts)), [len(part[2]) for part in parts])
    phones = np.unique(labelled, return_inverse=True)[1]
    queries = probes.evenly_spaced(len(s), RETRIEVAL_QUERIES)
    note = f"{len(queries)} queries" + (f", evenly spaced among {len(s)}" if len(queries) < len(s) else "")
    outcomes: Outcomes = {}
    for name, query, bank in zip(_RETRIEVAL, (s, p), (p, s)):
        hits = probes.retrieve(query, bank, phones, utts, queries)
        outcomes[name] = Outcome(intervals.ratio(hits.correct, hits.total, 100.0), f"{note}; phones with stress and tone")
    return outcomes


def measure_probe(measurement: Measurement) -> Outcomes:
    """Measure the speaker probe."""
    inputs = measurement.inputs
    fit, test = inputs.train_set, measurement.set
    fit_speakers, test_speakers = inputs.table(fit, "utt2spk"), inputs.table(test, "utt2spk")
    speakers = sorted(set(test_speakers.values()))
    unseen = set(speakers) - set(fit_speakers.values())
    sequences: dict[str, dict[str, np.ndarray]] | str
    if unseen:
        sequences = f"{len(unseen)} speakers of {test} are not in {fit}"
    elif len(speakers) < 2:
        sequences = f"{test} has one speaker only"
    else:
        sequences = _sequences(inputs, (fit, test), measurement.system)
    if isinstance(sequences, str):
        return dict.fromkeys(_PROBE, Outcome(sequences))
    utts = sorted(utt for utt in sequences[fit] if fit_speakers[utt] in speakers)
    lengths = [len(sequences[fit][utt]) for utt in utts]
    chosen = probes.choose_train([fit_speakers[utt] for utt in utts], lengths, PROBE_TRAIN_FRAMES)
    train = [(sequences[fit][utts[i]], speakers.index(fit_speakers[utts[i]])) for i in chosen]
    tested = [(sequences[test][utt], speakers.index(test_speakers[utt])) for utt in sorted(sequences[test])]
    hits = probes.speaker_probe(train, tested, PROBE_L2)
    frames = sum(len(sequence) for sequence, _ in train)
    note = f"{len(speakers)} speakers; fitted on {frames} frames of {len(train)} utterances of {fit}"
    return {
        _PROBE[0]: Outcome(intervals.ratio(hits.correct, hits.total, 100.0), note),
        _PROBE[1]: Outcome(Estimate(100.0 / len(speakers), len(tested), None), note),
    }


def _sequences(inputs: Inputs, sets: tuple[str, str], system: str) -> dict[str, dict[str, np.ndarray]] | str:
    """Read the sequences of a system by set and utterance, (frames, features); or return why there are none."""
    if system == "mel":
        paths = {set_: inputs.dump / set_ / "feats.scp" for set_ in sets}
    elif system == "phones":
        name = "phones_true.ctm" if all((inputs.data / s / "phones_true.ctm").exists() for s in sets) else "phones.ctm"
        paths = {set_: inputs.data / set_ / name for set_ in sets}
    else:
        name = "speech.scp" if inputs.declaration.missing("codes") else "quantized.scp"
        paths = {set_: inputs.codes(set_) / name for set_ in sets}
    why = _absent(*paths.values())
    if why:
        return why
    frames = {set_: reference_frames(inputs.hop_s(set_)) for set_ in sets}
    if system == "phones":
        return _one_hot({set_: read_ctm(path) for set_, path in paths.items()}, frames)
    stores = {set_: FeatureStore(path) for set_, path in paths.items()}
    hops = {set_: frames[set_].hop if system == "mel" else 1 for set_ in sets}
    return {set_: {utt: _pool(store[utt], hops[set_]) for utt in store} for set_, store in stores.items()}


def _pool(feats: np.ndarray, hop: int) -> np.ndarray:
    """Average each `hop` frames, (frames // hop, bands)."""
    frames = len(feats) // hop
    return feats[: frames * hop].reshape(frames, hop, -1).mean(1)


def _one_hot(tables: Mapping[str, Mapping[str, Alignment]], frames: Mapping[str, Frames]) -> dict[str, dict[str, np.ndarray]]:
    names = {phone.phone for table in tables.values() for phones in table.values() for phone in phones}
    number = {name: index for index, name in enumerate([SILENCE, *sorted(names - {SILENCE})])}
    eye = np.eye(len(number), dtype=np.float32)
    out: dict[str, dict[str, np.ndarray]] = {set_: {} for set_ in tables}
    for set_, table in tables.items():
        for utt, phones in table.items():
            length = int(phones[-1].end_s / frames[set_].hop_s + 0.5) // frames[set_].hop
            labels = label_frames(phones, length, frames[set_])[0]
            out[set_][utt] = eye[[number[name] for name in labels]]
    return out


RETRIEVAL = Kind(measure_retrieval, chunk=1, priority=3)
PROBE = Kind(measure_probe, chunk=1, priority=4)
