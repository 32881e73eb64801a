"""The first alignment: quiet frames are silence, all others are divided evenly, then Gaussian mixtures are trained on that."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ctaplib.align.config import BootstrapConfig
from ctaplib.align.frontend import cepstra, quiet_frames
from ctaplib.align.gmm import VARIANCE_FLOOR, Mixtures
from ctaplib.align.parallel import map_items, map_shards
from ctaplib.align.topology import Graph
from ctaplib.align.viterbi import best_path
from ctaplib.collective import rank
from ctaplib.runs.log import get_logger

log = get_logger(__name__)


def flat_path(graph: Graph, quiet: np.ndarray) -> np.ndarray:
    """Return a path to start from: quiet frames are in the first silence, all others divided evenly over the phones.

    From (T,) bool to (T,) int32; not a path of the graph, since it returns to the first silence.
    """
    states = np.flatnonzero(graph.owner >= 0)
    loud = np.flatnonzero(~quiet)
    if len(loud) < len(states):  # nearly everything is quiet: the level does not help
        loud = np.arange(len(quiet))
    path = np.zeros(len(quiet), np.int32)
    path[loud] = states[np.arange(len(loud)) * len(states) // len(loud)]
    return path


def train_mixtures(
    mels: Sequence[np.ndarray], graphs: Sequence[Graph], n_classes: int, config: BootstrapConfig, jobs: int
) -> Mixtures:
    """Train mixtures by alignment and re-estimation in turn (Viterbi training).

    Args:
        mels: (T, n_mels) log-mel of each utterance, with at least one frame for each state.
        graphs: States of each utterance.
        n_classes: Classes of all units.
        config: Iterations and sizes.
        jobs: Processes of this rank; the result does not depend on them.
    """
    inputs = [cepstra(mel, config.n_cepstra) for mel in mels]
    count = sum(map(len, inputs))
    mean = sum(x.sum(0, dtype=np.float64) for x in inputs) / count
    variance = sum(np.square(x, dtype=np.float64).sum(0) for x in inputs) / count - mean**2
    mixtures = Mixtures(np.ones((n_classes, 1)), *(np.tile(x, (n_classes, 1, 1)) for x in (mean, variance)))
    for iteration in range(config.iterations):
        new = mixtures.split() if iteration in config.splits else mixtures

        def work(
            shard: range, iteration: int = iteration, old: Mixtures = mixtures, new: Mixtures = new
        ) -> tuple[np.ndarray, float]:
            if iteration == 0:
                found = [(flat_path(graphs[i], quiet_frames(mels[i], config.quiet_share)), 0.0) for i in shard]
            else:
                found = [align_mixtures(old, inputs[i], graphs[i]) for i in shard]
            classes = np.concatenate([graphs[i].chain.classes[path] for i, (path, _) in zip(shard, found)])
            frames = np.concatenate([inputs[i] for i in shard])
            return new.statistics(frames, classes), sum(score for _, score in found)

        parts = list(map_shards(work, len(inputs), jobs))
        mixtures = new.update(sum((part[0] for part in parts), np.zeros(())), VARIANCE_FLOOR * variance)
        if iteration and rank() == 0:
            log.info("mixtures %d: log-likelihood per frame %.3f", iteration, sum(part[1] for part in parts) / count)
    return mixtures


def label_by_mixtures(
    mixtures: Mixtures, mels: Sequence[np.ndarray], graphs: Sequence[Graph], n_cepstra: int, jobs: int
) -> list[np.ndarray]:
    """Return the class of every frame of each utterance, (T,), on the best path through mixtures."""

    def work(i: int) -> np.ndarray:
        return graphs[i].chain.classes[align_mixtures(mixtures, cepstra(mels[i], n_cepstra), graphs[i])[0]]

    return map_items(work, len(mels), jobs)


def align_mixtures(mixtures: Mixtures, frames: np.ndarray, graph: Graph) -> tuple[np.ndarray, float]:
    """Return the best path of one utterance and its score; only classes of its graph are scored."""
    used, inverse = np.unique(graph.chain.classes, return_inverse=True)
    part = Mixtures(mixtures.weight[used], mixtures.mean[used], mixtures.variance[used])
    chain = replace(graph.chain, classes=inverse.astype(np.int32))
    return best_path(part.log_scores(frames), chain)
