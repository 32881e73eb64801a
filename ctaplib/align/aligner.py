"""A trained aligner: places the phones of an utterance in its audio, or says why it cannot."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ctaplib.align.config import AlignConfig
from ctaplib.align.corpus import hear, unit_of
from ctaplib.align.flat_start import Graph
from ctaplib.align.frontend import centre
from ctaplib.align.network import FrameNetwork
from ctaplib.align.topology import Topology, to_intervals
from ctaplib.align.viterbi import best_path, has_compiler
from ctaplib.checkpoint import load_checkpoint, load_weights, save_checkpoint
from ctaplib.config_file import read_saved
from ctaplib.corpus.alignment import Alignment
from ctaplib.errors import AudioError, ConfigError, DataError
from ctaplib.phones import SILENCE, fold
from ctaplib.runs.log import get_logger

log = get_logger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of one utterance.

    Attributes:
        status: `aligned`, `oov`, `too_short_for_phones`, `low_score` or `failed`.
        alignment: Its phones with times, silences included; empty unless aligned.
        score: Mean log-posterior of its frames along the path; NaN where there is no path.
        reason: Why it is not aligned; empty where it is.
    """

    status: str
    alignment: Alignment
    score: float = float("nan")
    reason: str = ""


def make_graph(topology: Topology, phones: Sequence[str], drop_tone: bool) -> Graph:
    """The chain of phones with silence allowed everywhere; `settle` decides later which silences are pauses.

    Raises:
        DataError: phones that the topology does not know.
    """
    index = {unit: i for i, unit in enumerate(topology.units)}
    units = [unit_of(phone, drop_tone) for phone in phones]
    unknown = sorted({phone for phone, unit in zip(phones, units) if unit not in index})
    if unknown or not phones:
        found = f"phones never heard in training: {' '.join(unknown)}" if unknown else "there are no phones"
        raise DataError(found, fix="correct the text, or train the aligner on data that has them")
    chain, owner = topology.chain([index[unit] for unit in units], [True] * (len(phones) + 1))
    return Graph(chain, owner)


def settle(alignment: Alignment, words: Sequence[int], config: AlignConfig) -> Alignment:
    """Decide which silences are pauses and let the others, closures of stops mostly, join a neighbour.

    Silence at either end always stays. Between words, or where words are unknown, silence of `min_pause_s` stays;
    within a word, silence longer than `max_closure_s`. What does not stay goes to the following phone where that is
    one of `stops`, else to the phone before.
    """
    settled: Alignment = []
    phone, late_s = -1, None
    for place, interval in enumerate(alignment):
        if interval.phone != SILENCE:
            phone += 1
            settled.append(interval if late_s is None else interval._replace(start_s=late_s))
            late_s = None
            continue
        inside = 0 < place < len(alignment) - 1
        same_word = inside and bool(words) and words[phone] == words[phone + 1]
        least_s = config.max_closure_s if same_word else config.min_pause_s
        if not inside or interval.end_s - interval.start_s > least_s:
            settled.append(interval)
        elif fold(alignment[place + 1].phone) in config.stops:
            late_s = interval.start_s
        else:
            settled[-1] = settled[-1]._replace(end_s=interval.end_s)
    return settled


class Aligner:
    """A network, its classes and how to search.

    Args:
        config: Settings of its training.
        topology: Units and states.
        network: Frame classifier.
        log_prior: (classes,) frequency of each class in training.
        rate_hz: Sampling rate that it listens at.
    """

    def __init__(
        self, config: AlignConfig, topology: Topology, network: FrameNetwork, log_prior: np.ndarray, rate_hz: int
    ) -> None:
        self.config, self.topology, self.network, self.log_prior = config, topology, network.eval(), log_prior
        self.front_end = config.front_end(rate_hz)
        self.compiled = has_compiler()

    @classmethod
    def load(cls, exp: str | Path) -> "Aligner":
        """Load a trained folder.

        Raises:
            CheckpointError: there is no aligner in it, or it does not fit its config.
            ConfigError: its config is that of another version.
        """
        exp = Path(exp)
        state = load_checkpoint(exp / "aligner.pt")
        values = {k: v for k, v in read_saved(exp / "config.yaml").items() if k in AlignConfig.model_fields}
        try:
            config = AlignConfig.model_validate(values)
        except ValueError as error:
            raise ConfigError(f"{exp}/config.yaml does not fit this version: {error}", fix="train the aligner again") from error
        topology = make_topology(config, tuple(state["units"]))
        network = FrameNetwork(config.n_mels, topology.n_classes, config.network)
        load_weights(network, state["network"], str(exp / "aligner.pt"))
        aligner = cls(config, topology, network, state["log_prior"].numpy(), int(state["rate_hz"]))
        if not aligner.compiled:
            log.warning("numba is not installed: aligning in plain numpy, which is several times slower")
        return aligner

    def path(self, centred: np.ndarray, graph: Graph) -> tuple[np.ndarray, float]:
        """Best path of an utterance and the mean log-posterior along it.

        Args:
            centred: (T, n_mels) output of `frontend.centre`.
            graph: Where it goes.
        """
        posteriors = self.network.log_posteriors(centred)
        scores = posteriors - self.config.network.prior_weight * self.log_prior
        path, total = best_path(scores, graph.chain, compiled=self.compiled)
        if not np.isfinite(total):
            return path, -np.inf
        return path, float(posteriors[np.arange(len(path)), graph.chain.classes[path]].mean())

    def align(self, mel: np.ndarray, end_s: float, phones: Sequence[str], words: Sequence[int] = ()) -> Outcome:
        """Align phones to log-mel.

        Args:
            mel: (T, n_mels) of this aligner's front end.
            end_s: Length of the audio, seconds.
            phones: As in `text.phn`, without silences.
            words: Index of each phone's word, where known.
        """
        try:
            graph = make_graph(self.topology, phones, self.config.drop_tone)
        except DataError as error:
            return Outcome("oov", [], reason=error.found)
        least = self.topology.shortest(len(phones))
        if len(mel) < least:
            return Outcome("too_short_for_phones", [], reason=f"{len(mel)} frames for {len(phones)} phones, which need {least}")
        path, score = self.path(centre(mel), graph)
        if not score >= self.config.min_score:
            why = f"mean log-posterior {score:.2f} is below {self.config.min_score:g}: is the text right?"
            return Outcome("low_score", [], score, why)
        intervals = to_intervals(
            path, graph.owner, phones, self.front_end.hop_s, end_s, self.config.onset_lead * self.config.window_s
        )
        return Outcome("aligned", settle(intervals, words, self.config), score)

    def align_file(self, wav: str | Path, phones: Sequence[str], words: Sequence[int] = ()) -> Outcome:
        """Align phones to an audio file; audio that cannot be used is an outcome, `failed`."""
        try:
            mel, end_s = hear(str(wav), self.front_end)
        except (AudioError, DataError) as error:
            return Outcome("failed", [], reason=str(error).replace("\n", " "))
        return self.align(mel, end_s, phones, words)


def make_topology(config: AlignConfig, units: tuple[str, ...]) -> Topology:
    """The states of a config over an inventory."""
    return Topology(units, config.pattern, config.silence_score, change_score=config.change_score)


def save_aligner(exp: Path, aligner: Aligner) -> None:
    """Write `aligner.pt`; the config is written where training starts."""
    state = {
        "network": aligner.network.state_dict(),
        "units": list(aligner.topology.units),
        "log_prior": torch.from_numpy(aligner.log_prior),
        "rate_hz": aligner.front_end.rate_hz,
    }
    save_checkpoint(exp / "aligner.pt", state)
