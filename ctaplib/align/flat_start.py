"""A first alignment from nothing: quiet frames are silence, the rest is dealt out evenly, mixtures do what follows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ctaplib.align.config import BootstrapConfig
from ctaplib.align.frontend import cepstra, quiet_frames
from ctaplib.align.gmm import VARIANCE_FLOOR, Mixtures, flat
from ctaplib.align.parallel import map_shards
from ctaplib.align.viterbi import Chain, best_path, has_compiler
from ctaplib.collective import rank
from ctaplib.runs.log import get_logger

log = get_logger(__name__)


@dataclass(frozen=True)
class Graph:
    """The chain of an utterance and the phone of each of its states, negative for silence."""

    chain: Chain
    owner: np.ndarray


def deal_out(graph: Graph, quiet: np.ndarray, states: int) -> np.ndarray:
    """A path to start from: quiet frames lie in the first silence, the others are shared evenly by all phones.

    Args:
        graph: Where the utterance goes.
        quiet: (T,) bool.
        states: States of one unit.

    Returns:
        (T,) int32; no real path, since it goes back to the first silence.
    """
    spoken = np.flatnonzero(graph.owner >= 0)
    loud = np.flatnonzero(~quiet)
    if len(loud) < len(spoken):  # nearly everything is quiet: level says nothing here
        loud = np.arange(len(quiet))
    path = np.zeros(len(quiet), np.int32)
    path[loud] = spoken[np.arange(len(loud)) * len(spoken) // len(loud)]
    return path


def train_mixtures(
    mels: Sequence[np.ndarray],
    graphs: Sequence[Graph],
    n_classes: int,
    states: int,
    config: BootstrapConfig,
    jobs: int,
) -> Mixtures:
    """Estimate mixtures by Viterbi training.

    Args:
        mels: (T, n_mels) log-mel of each utterance.
        graphs: Where each utterance goes; its phones fit its frames.
        n_classes: Classes of all units.
        states: States of one unit.
        config: How.
        jobs: Processes of this rank; the result does not depend on them.
    """
    inputs = [cepstra(mel, config.n_cepstra) for mel in mels]
    count = sum(map(len, inputs))
    mean = sum(x.sum(0, dtype=np.float64) for x in inputs) / count
    variance = sum(np.square(x, dtype=np.float64).sum(0) for x in inputs) / count - mean**2
    mixtures = flat(mean, variance, n_classes)
    for iteration in range(config.iterations):
        estimate = mixtures.split() if iteration in config.splits else mixtures
        start = iteration == 0

        def work(
            shard: range, old: Mixtures = mixtures, new: Mixtures = estimate, start: bool = start
        ) -> tuple[np.ndarray, float]:
            frames, classes, total = [], [], 0.0
            for i in shard:
                if start:
                    path = deal_out(graphs[i], quiet_frames(mels[i], config.quiet_share), states)
                else:
                    path, score = align_mixtures(old, inputs[i], graphs[i])
                    total += score
                frames.append(inputs[i])
                classes.append(graphs[i].chain.classes[path])
            return new.statistics(np.concatenate(frames), np.concatenate(classes)), total

        parts = list(map_shards(work, len(inputs), jobs))
        mixtures = estimate.update(sum((part[0] for part in parts), np.zeros(())), VARIANCE_FLOOR * variance)
        if not start and rank() == 0:
            log.info("mixtures %d: log-likelihood a frame %.3f", iteration, sum(part[1] for part in parts) / count)
    return mixtures


def label_by_mixtures(
    mixtures: Mixtures, mels: Sequence[np.ndarray], graphs: Sequence[Graph], n_cepstra: int, jobs: int
) -> list[np.ndarray]:
    """The class of every frame of each utterance, (T,), by the best path through mixtures."""

    def work(shard: range) -> list[np.ndarray]:
        paths = [align_mixtures(mixtures, cepstra(mels[i], n_cepstra), graphs[i])[0] for i in shard]
        return [graphs[i].chain.classes[path] for i, path in zip(shard, paths)]

    return [label for part in map_shards(work, len(mels), jobs) for label in part]


def align_mixtures(mixtures: Mixtures, frames: np.ndarray, graph: Graph) -> tuple[np.ndarray, float]:
    """Best path of one utterance, scoring only the classes that it can pass through."""
    used, inverse = np.unique(graph.chain.classes, return_inverse=True)
    part = Mixtures(mixtures.weight[used], mixtures.mean[used], mixtures.variance[used])
    chain = replace(graph.chain, classes=inverse.astype(np.int32))
    return best_path(part.log_scores(frames), chain, compiled=has_compiler())
