"""Train the aligner: mixtures from a flat start, then a network on what they found, realigned between passes.

Every phase is kept, whole, when it is done; the same command goes on after the last of them and ends with the same
aligner.
"""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ctaplib.align.aligner import Aligner, make_graph, make_topology, save_aligner
from ctaplib.align.bootstrap import Graph, align_mixtures, train_mixtures
from ctaplib.align.config import AlignConfig
from ctaplib.align.corpus import Utterance, evenly, find_units, hear, read_utterances
from ctaplib.align.frontend import centre, cepstra
from ctaplib.align.gmm import Mixtures
from ctaplib.align.network import ChunkTrainer, FrameNetwork, log_priors
from ctaplib.align.parallel import map_shards
from ctaplib.align.record import AlignRecord
from ctaplib.align.topology import Topology
from ctaplib.checkpoint import load_checkpoint, save_checkpoint
from ctaplib.config import config_hash, save_config
from ctaplib.data.features import read_feature_config
from ctaplib.errors import AudioError, DataError
from ctaplib.files import atomic_write, read_table
from ctaplib.runlog import RunLog, add_log_file, get_logger

log = get_logger(__name__)


@dataclass(frozen=True)
class Material:
    """What is trained on: (T, n_mels) log-mel and the graph of each utterance, in the order of their ids."""

    utterances: list[Utterance]
    mels: list[np.ndarray]
    graphs: list[Graph]
    seconds: list[float]


@dataclass(frozen=True)
class _Work:
    """What all phases need."""

    config: AlignConfig
    topology: Topology
    material: Material
    phases: Path
    jobs: int
    record: AlignRecord


def train_aligner(
    config: AlignConfig, data: Path, dump: Path, exp: Path, train_set: str, valid_set: str, jobs: int, commit: str = ""
) -> Aligner:
    """Train and save an aligner.

    Args:
        config: How.
        data: Folder of data sets; of the training set `text.phn` and, where there, `phn2word` are read.
        dump: Folder of features; of each set `wav.scp` and `features.yaml` are read.
        exp: Folder to write to.
        train_set: Set to train on.
        valid_set: Set to report on; empty for none.
        jobs: Processes; the result does not depend on them.
        commit: Version of the code, kept with the run.

    Raises:
        DataError: the training set cannot be used.
        TrainingError: the loss is not finite.
    """
    torch.set_num_threads(1)
    add_log_file(exp / "train.log")
    rate_hz = read_feature_config(dump / train_set / "features.yaml").rate_hz
    utterances = [u for u in read_utterances(data / train_set, dump / train_set) if u.wav]
    if not utterances:
        raise DataError(f"{data}/{train_set} has no utterance with text and features", fix="run stages 1 to 3")
    topology = make_topology(config, find_units(utterances, config.drop_tone))
    phases = _open_phases(config, exp, utterances)
    save_config(config, exp / "config.yaml", task="align", commit=commit)
    material = _load(config, topology, _choose(config, utterances, dump / train_set), rate_hz, jobs)
    log.info(
        "training on %d utterances, %.1f minutes, %d units", len(material.mels), sum(material.seconds) / 60, len(topology.units)
    )
    trainer = _start_network(config, topology, material)
    done, prior = _restore(trainer, phases)
    iterations = config.bootstrap.iterations
    kept_steps = trainer.steps_done + iterations * (phases / "mixtures.npz").exists()
    with RunLog(exp, kept_steps, "align", iterations + trainer.total_steps) as run_log:
        work = _Work(config, topology, material, phases, jobs, AlignRecord(run_log, iterations))
        aligner = Aligner(config, topology, trainer.network, prior, rate_hz)
        _train_network(work, aligner, trainer, done)
        save_aligner(exp, aligner)
        if valid_set:
            found = _validate(aligner, [u for u in read_utterances(data / valid_set, dump / valid_set) if u.wav], jobs)
            run_log.scalars(iterations + trainer.total_steps, found, "valid")
        work.record.finish()
    return aligner


def _choose(config: AlignConfig, utterances: Sequence[Utterance], dump: Path) -> list[Utterance]:
    frames = read_table(dump / "utt2num_frames")
    hop_s = read_feature_config(dump / "features.yaml").hop_s
    seconds = [int(frames[u.utt]) * hop_s for u in utterances]
    return [utterances[i] for i in evenly(utterances, seconds, max(config.network.minutes, config.bootstrap.minutes))]


def _load(config: AlignConfig, topology: Topology, utterances: Sequence[Utterance], rate_hz: int, jobs: int) -> Material:
    front_end = config.front_end(rate_hz)

    def work(shard: range) -> list[tuple[np.ndarray, float] | None]:
        heard: list[tuple[np.ndarray, float] | None] = []
        for i in shard:
            try:
                heard.append(hear(utterances[i].wav, front_end))
            except AudioError as error:
                log.warning("%s is left out of training: %s", utterances[i].utt, error)
                heard.append(None)
        return heard

    heard = [item for part in map_shards(work, len(utterances), jobs) for item in part]
    material = Material([], [], [], [])
    short = 0
    for utterance, item in zip(utterances, heard):
        if item is None or len(item[0]) < topology.shortest(len(utterance.phones)) or not utterance.phones:
            short += 1
            continue
        material.utterances.append(utterance)
        material.mels.append(item[0])
        material.graphs.append(make_graph(topology, utterance.phones, config.drop_tone))
        material.seconds.append(item[1])
    if short:
        log.warning("%d of %d utterances are too short for their phones or unreadable and not trained on", short, len(heard))
    if not material.mels:
        raise DataError("no utterance is long enough for its phones", fix="check text.phn and the audio")
    return material


def _bootstrap(work: _Work) -> Mixtures:
    config, material, kept = work.config.bootstrap, work.material, work.phases / "mixtures.npz"
    if kept.exists():
        with np.load(kept) as arrays:
            return Mixtures(arrays["weight"], arrays["mean"], arrays["variance"])
    chosen = evenly(material.mels, material.seconds, config.minutes)
    mixtures = train_mixtures(
        [material.mels[i] for i in chosen], [material.graphs[i] for i in chosen],
        work.topology.n_classes, work.topology.states, config, work.jobs, work.record.mixtures,
    )  # fmt: skip
    with atomic_write(kept, "wb") as out:
        np.savez(out, weight=mixtures.weight, mean=mixtures.mean, variance=mixtures.variance)
    return mixtures


def _start_network(config: AlignConfig, topology: Topology, material: Material) -> ChunkTrainer:
    torch.manual_seed(config.seed)
    network = FrameNetwork(config.n_mels, topology.n_classes, config.network)
    return ChunkTrainer(network, [centre(mel) for mel in material.mels], config.network, config.seed)


def _restore(trainer: ChunkTrainer, phases: Path) -> tuple[int, np.ndarray]:
    """Passes done, and the priors of the last one."""
    passes = len(trainer.config.passes)
    done = max((i + 1 for i in range(passes) if (phases / f"pass{i}.pt").exists()), default=0)
    if not done:
        return 0, np.zeros(trainer.network.n_classes, np.float32)
    state = load_checkpoint(phases / f"pass{done - 1}.pt")
    prior = state.pop("log_prior").numpy()
    trainer.load_state_dict(state)
    log.info("going on after pass %d of %d", done, passes)
    return done, prior


def _train_network(work: _Work, aligner: Aligner, trainer: ChunkTrainer, done: int) -> None:
    config, material, record, inputs = work.config, work.material, work.record, trainer.mels
    passes, mixtures = len(config.network.passes), _bootstrap(work)
    batch_s = config.network.batch_chunks * config.network.chunk_frames * config.hop_s

    def first(shard: range) -> list[np.ndarray]:
        found = []
        for i in shard:
            frames = cepstra(material.mels[i], config.bootstrap.n_cepstra)
            path, _ = align_mixtures(mixtures, frames, material.graphs[i])
            found.append(material.graphs[i].chain.classes[path])
        return found

    def again(shard: range) -> list[np.ndarray]:
        return [material.graphs[i].chain.classes[aligner.path(inputs[i], material.graphs[i])[0]] for i in shard]

    for index in range(done, passes):
        labels = [label for part in map_shards(again if index else first, len(inputs), work.jobs) for label in part]
        aligner.log_prior = log_priors(labels, work.topology.n_classes)
        record.begin_pass(batch_s)
        loss = trainer.run_pass(index, labels, record.step)
        log.info("network, pass %d of %d: loss %.3f", index + 1, passes, loss)
        record.end_of_pass(trainer.steps_done, index, loss, trainer.steps_of(index))
        state = {**trainer.state_dict(), "log_prior": torch.from_numpy(aligner.log_prior)}
        save_checkpoint(work.phases / f"pass{index}.pt", state)
        said = [u.phones for u in material.utterances]
        ids = [u.utt for u in material.utterances]
        record.look(trainer.steps_done, aligner, list(zip(ids, said, material.mels, material.graphs)), index + 1 == passes)


def _validate(aligner: Aligner, utterances: Sequence[Utterance], jobs: int) -> dict[str, float]:
    def work(shard: range) -> list[tuple[str, float]]:
        outcomes = [aligner.align_file(utterances[i].wav, utterances[i].phones, utterances[i].words) for i in shard]
        return [(outcome.status, outcome.score) for outcome in outcomes]

    found = [item for part in map_shards(work, len(utterances), jobs) for item in part]
    scores = [score for status, score in found if status == "aligned"]
    mean = float(np.mean(scores)) if scores else float("nan")
    log.info("validation: %d of %d aligned, mean log-posterior a frame %.3f", len(scores), len(found), mean)
    return {"aligned_pct": 100 * len(scores) / max(1, len(found)), "log_posterior": mean}


def _open_phases(config: AlignConfig, exp: Path, utterances: Sequence[Utterance]) -> Path:
    """The folder of finished phases, emptied where they belong to other data or another config."""
    digest = hashlib.sha256(config_hash(config).encode())
    for utterance in utterances:
        digest.update(repr(utterance).encode())
    phases, stamp = exp / "phases", digest.hexdigest()
    mark = phases / "made_from"
    if phases.exists() and (not mark.exists() or mark.read_text() != stamp):
        log.info("%s belongs to other data or another config and is made again", phases)
        shutil.rmtree(phases)
    with atomic_write(mark) as out:
        out.write(stamp)
    return phases
