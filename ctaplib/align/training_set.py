"""Training data of an aligner: an even share of the training set, as log-mel and graphs."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ctaplib.align.config import AlignConfig
from ctaplib.align.corpus import Utterance, compute_mel, evenly, read_utterances
from ctaplib.align.parallel import map_items
from ctaplib.align.topology import Graph, Topology
from ctaplib.audio.settings import read_feature_config
from ctaplib.collective import rank
from ctaplib.errors import AudioError, DataError
from ctaplib.files import read_table
from ctaplib.runs.log import get_logger

log = get_logger(__name__)


@dataclass(frozen=True)
class TrainingSet:
    """Utterances to train on, in the order of their ids."""

    mels: list[np.ndarray]
    """(T, n_mels) log-mel of each utterance."""
    graphs: list[Graph]
    seconds: list[float]

    def digest(self) -> str:
        """Return hexadecimal digits that change when an utterance, its length or its graph does."""
        digest = hashlib.sha256()
        for mel, graph in zip(self.mels, self.graphs):
            digest.update(len(mel).to_bytes(8, "little") + graph.chain.classes.tobytes())
        return digest.hexdigest()[:16]


def read_usable(data: Path, dump: Path) -> list[Utterance]:
    """Read the utterances of a set that have text and audio.

    Raises:
        DataError: there are none.
    """
    utterances = [u for u in read_utterances(data, dump) if u.wav]
    if not utterances:
        raise DataError(f"{data} has no utterance with text and features", fix="run stages 1 to 3")
    return utterances


def choose_evenly(utterances: Sequence[Utterance], dump: Path, minutes: float) -> list[Utterance]:
    """Return utterances spread evenly over the list that together last at most `minutes`."""
    frames = read_table(dump / "utt2num_frames")
    hop_s = read_feature_config(dump / "features.yaml").hop_s
    return [utterances[i] for i in evenly([int(frames[u.utt]) * hop_s for u in utterances], minutes)]


def load_training_set(
    config: AlignConfig, topology: Topology, utterances: Sequence[Utterance], rate_hz: int, jobs: int
) -> TrainingSet:
    """Compute the log-mel and graphs of utterances; those that cannot be used are counted and skipped.

    Raises:
        DataError: none can be used.
    """
    front_end = config.front_end(rate_hz)

    def work(i: int) -> tuple[np.ndarray, float] | None:
        try:
            return compute_mel(utterances[i].wav, front_end)
        except AudioError as error:
            log.warning("%s is not trained on: %s", utterances[i].utt, error)
            return None

    features = map_items(work, len(utterances), jobs)
    chosen = TrainingSet([], [], [])
    for utterance, item in zip(utterances, features):
        if item is None or len(item[0]) < topology.shortest(len(utterance.phones)) or not utterance.phones:
            continue
        chosen.mels.append(item[0])
        chosen.graphs.append(topology.graph(utterance.phones))
        chosen.seconds.append(item[1])
    skipped = len(features) - len(chosen.mels)
    if skipped and rank() == 0:
        log.warning("%d of %d utterances are too short for their phones or unreadable and not trained on", skipped, len(features))
    if not chosen.mels:
        raise DataError("no utterance is long enough for its phones", fix="check text.phn and the audio")
    return chosen
