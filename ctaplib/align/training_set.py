"""What an aligner is trained on: an even share of the training set, as log-mel and graphs."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ctaplib.align.aligner import make_graph
from ctaplib.align.config import AlignConfig
from ctaplib.align.corpus import Utterance, evenly, hear, read_utterances
from ctaplib.align.flat_start import Graph
from ctaplib.align.parallel import map_shards
from ctaplib.align.topology import Topology
from ctaplib.audio.settings import read_feature_config
from ctaplib.collective import rank
from ctaplib.errors import AudioError, DataError
from ctaplib.files import read_table
from ctaplib.runs.log import get_logger

log = get_logger(__name__)


@dataclass(frozen=True)
class Material:
    """Utterances that can be trained on.

    Attributes:
        mels: (T, n_mels) log-mel of each utterance, in the order of their ids.
        graphs: Where each utterance goes.
        seconds: Length of each.
    """

    mels: list[np.ndarray]
    graphs: list[Graph]
    seconds: list[float]

    def digest(self) -> str:
        """Hexadecimal digits that change when an utterance, its length or its graph does."""
        found = hashlib.sha256()
        for mel, graph in zip(self.mels, self.graphs):
            found.update(len(mel).to_bytes(8, "little") + graph.chain.classes.tobytes())
        return found.hexdigest()[:16]


def read_heard(data: Path, dump: Path) -> list[Utterance]:
    """Utterances of a set that have text and audio.

    Raises:
        DataError: there are none.
    """
    utterances = [u for u in read_utterances(data, dump) if u.wav]
    if not utterances:
        raise DataError(f"{data} has no utterance with text and features", fix="run stages 1 to 3")
    return utterances


def choose(utterances: Sequence[Utterance], dump: Path, minutes: float) -> list[Utterance]:
    """Utterances spread evenly over the list that together last at most so many minutes."""
    frames = read_table(dump / "utt2num_frames")
    hop_s = read_feature_config(dump / "features.yaml").hop_s
    return [utterances[i] for i in evenly(utterances, [int(frames[u.utt]) * hop_s for u in utterances], minutes)]


def load_material(config: AlignConfig, topology: Topology, utterances: Sequence[Utterance], rate_hz: int, jobs: int) -> Material:
    """Listen to utterances; those that cannot be used are counted and left out.

    Args:
        config: Front end.
        topology: States of the phones.
        utterances: With text and audio.
        rate_hz: Sampling rate to listen at.
        jobs: Processes of this rank; the result does not depend on them.

    Raises:
        DataError: none can be used.
    """
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
    material = Material([], [], [])
    for utterance, item in zip(utterances, heard):
        if item is None or len(item[0]) < topology.shortest(len(utterance.phones)) or not utterance.phones:
            continue
        material.mels.append(item[0])
        material.graphs.append(make_graph(topology, utterance.phones, config.drop_tone))
        material.seconds.append(item[1])
    short = len(heard) - len(material.mels)
    if short and rank() == 0:
        log.warning("%d of %d utterances are too short for their phones or unreadable and not trained on", short, len(heard))
    if not material.mels:
        raise DataError("no utterance is long enough for its phones", fix="check text.phn and the audio")
    return material
