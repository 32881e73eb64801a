"""The first alignment: quiet frames are silence, all others are divided evenly, then Gaussian mixtures are trained on that."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ctaplib.align.config import BootstrapConfig
from ctaplib.align.frontend import cepstra, quiet_frames
from ctaplib.align.gmm import VARIANCE_FLOOR, Mixtures, flat
from ctaplib.align.parallel import map_shards
from ctaplib.align.topology import Graph
from ctaplib.align.viterbi import best_path
from ctaplib.collective import rank
from ctaplib.runs.log import get_logger

log = get_logger(__name__)


def flat_path(graph: Graph, quiet: np.ndarray) -> np.ndarray:
    """Return a path to start from: quiet frames are in the first silence, all others divided evenly over the phones.

    Args:
        graph: States of the utterance.
        quiet: (T,) bool.

    Returns:
        (T,) int32; not a path of the graph, since it returns to the first silence.
    """
    states = np.flatnonzero(graph.owner >= 0)
    loud = np.flatnonzero(~quiet)
    if len(loud) < len(states):  # nearly everything is quiet: the level does not help
        loud = np.arange(len(quiet))
    path = np.zeros(len(quiet), np.int32)
    path[loud] = states[np.arange(len(loud)) * len(states) // len(loud)]
    return path


def train_mixtures(
    mels: Sequence[np.ndarray],
    graphs: Sequence[Graph],
    n_classes: int,
    config: BootstrapConfig,
    jobs: int,
) -> Mixtures:
    """Train mixtures by alignment and re-estimation in turn (Viterbi training).

    Args:
        mels: (T, n_mels) log-mel of each utterance.
        graphs: States of each utterance, which has at least as many frames.
        n_classes: Classes of all units.
        config: Iterations and sizes.
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
                    path = flat_path(graphs[i], quiet_frames(mels[i], config.quiet_share))
                else:
                    path, score = align_mixtures(old, inputs[i], graphs[i])
                    total += score
                frames.append(inputs[i])
                classes.append(graphs[i].chain.classes[path])
            return new.statistics(np.concatenate(frames), np.concatenate(classes)), total

        parts = list(map_shards(work, len(inputs), jobs))
        mixtures = estimate.update(sum((part[0] for part in parts), np.zeros(())), VARIANCE_FLOOR * variance)
        if not start and rank() == 0:
            log.info("mixtures %d: log-likelihood per frame %.3f", iteration, sum(part[1] for part in parts) / count)
    return mixtures


def label_by_mixtures(
    mixtures: Mixtures, mels: Sequence[np.ndarray], graphs: Sequence[Graph], n_cepstra: int, jobs: int
) -> list[np.ndarray]:
    """Return the class of every frame of each utterance, (T,), on the best path through mixtures."""

    def work(shard: range) -> list[np.ndarray]:
        paths = [align_mixtures(mixtures, cepstra(mels[i], n_cepstra), graphs[i])[0] for i in shard]
        return [graphs[i].chain.classes[path] for i, path in zip(shard, paths)]

    return [label for part in map_shards(work, len(mels), jobs) for label in part]


def align_mixtures(mixtures: Mixtures, frames: np.ndarray, graph: Graph) -> tuple[np.ndarray, float]:
    """Return the best path of one utterance and its score; only classes of its graph are scored."""
    used, inverse = np.unique(graph.chain.classes, return_inverse=True)
    part = Mixtures(mixtures.weight[used], mixtures.mean[used], mixtures.variance[used])
    chain = replace(graph.chain, classes=inverse.astype(np.int32))
    return best_path(part.log_scores(frames), chain)
