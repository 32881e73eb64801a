"""A trained aligner: the times of the phones of an utterance, or the reason why there are none."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from ctaplib.align.config import AlignConfig
from ctaplib.align.corpus import compute_mel
from ctaplib.align.frontend import centre
from ctaplib.align.network import FrameNetwork
from ctaplib.align.topology import Graph, Topology, to_intervals
from ctaplib.align.viterbi import best_path, load_loops
from ctaplib.checkpoint import load_checkpoint, load_weights, save_checkpoint
from ctaplib.config_file import read_saved
from ctaplib.corpus.alignment import Alignment
from ctaplib.errors import AudioError, ConfigError, DataError
from ctaplib.phones import SILENCE, fold


@dataclass(frozen=True)
class Outcome:
    """The result of aligning one utterance."""

    status: str
    """`aligned`, `oov`, `too_short_for_phones`, `low_score` or `failed`."""
    reason: str = ""
    """Why it is not aligned; empty where it is."""
    alignment: Alignment = field(default_factory=list)
    """Its phones with times, silences included; empty unless aligned."""
    score: float = float("nan")
    """Mean log-posterior of its frames along the path; NaN where there is no path."""


def merge_silences(alignment: Alignment, words: Sequence[int], config: AlignConfig) -> Alignment:
    """Keep the silences that are pauses and merge the others, closures of stops mostly, into a neighbour.

    Silence at either end always stays. Between words, or where words are unknown, silence of `min_pause_s` stays;
    within a word, silence longer than `max_closure_s`. All other silence is added to the following phone where that is
    one of `stops`, else to the phone before.
    """
    merged: Alignment = []
    phone, closure_s = -1, None
    for place, interval in enumerate(alignment):
        if interval.phone != SILENCE:
            phone += 1
            merged.append(interval if closure_s is None else interval._replace(start_s=closure_s))
            closure_s = None
            continue
        inside = 0 < place < len(alignment) - 1
        same_word = inside and bool(words) and words[phone] == words[phone + 1]
        least_s = config.max_closure_s if same_word else config.min_pause_s
        if not inside or interval.end_s - interval.start_s > least_s:
            merged.append(interval)
        elif fold(alignment[place + 1].phone) in config.stops:
            closure_s = interval.start_s
        else:
            merged[-1] = merged[-1]._replace(end_s=interval.end_s)
    return merged


class Aligner:
    """A frame classifier with its topology, and the log of the frequency of each class in training, (classes,)."""

    def __init__(
        self, config: AlignConfig, topology: Topology, network: FrameNetwork, log_prior: np.ndarray, rate_hz: int
    ) -> None:
        self.config, self.topology, self.network, self.log_prior = config, topology, network.eval(), log_prior
        self.front_end = config.front_end(rate_hz)

    @classmethod
    def load(cls, exp: str | Path) -> "Aligner":
        """Load a trained aligner from its folder.

        Raises:
            CheckpointError: there is no aligner in it, or it does not fit its config.
            ConfigError: its config is that of another version.
            DependencyError: numba is not installed.
        """
        load_loops()
        exp = Path(exp)
        state = load_checkpoint(exp / "aligner.pt")
        values = {k: v for k, v in read_saved(exp / "config.yaml").items() if k in AlignConfig.model_fields}
        try:
            config = AlignConfig.model_validate(values)
        except ValueError as error:
            raise ConfigError(f"{exp}/config.yaml does not fit this version: {error}", fix="train the aligner again") from error
        topology = Topology(config, state["units"])
        network = FrameNetwork(config.n_mels, topology.n_classes, config.network)
        load_weights(network, state["network"], str(exp / "aligner.pt"))
        return cls(config, topology, network, state["log_prior"].numpy(), int(state["rate_hz"]))

    def path(self, centred: np.ndarray, graph: Graph) -> tuple[np.ndarray, float]:
        """Return the best path of an utterance, (T, n_mels) from `frontend.centre`, and the mean log-posterior along it."""
        posteriors = self.network.log_posteriors(centred)
        path, total = best_path(posteriors - self.config.network.prior_weight * self.log_prior, graph.chain)
        if not np.isfinite(total):
            return path, -np.inf
        return path, float(posteriors[np.arange(len(path)), graph.chain.classes[path]].mean())

    def intervals(self, path: np.ndarray, graph: Graph, phones: Sequence[str], end_s: float) -> Alignment:
        """Return the phones of a path with their times; the last one ends where the audio does."""
        lead_s = self.config.onset_lead * self.config.window_s
        return to_intervals(path, graph.owner, phones, self.front_end.hop_s, end_s, lead_s)

    def align(self, mel: np.ndarray, end_s: float, phones: Sequence[str], words: Sequence[int] = ()) -> Outcome:
        """Align phones to log-mel.

        Args:
            mel: (T, n_mels) of this aligner's front end.
            end_s: Length of the audio, seconds.
            phones: As in `text.phn`, without silences.
            words: Index of each phone's word, where known.
        """
        try:
            graph = self.topology.graph(phones)
        except DataError as error:
            return Outcome("oov", error.found)
        least = self.topology.shortest(len(phones))
        if len(mel) < least:
            return Outcome("too_short_for_phones", f"{len(mel)} frames for {len(phones)} phones, which need {least}")
        path, score = self.path(centre(mel), graph)
        if not score >= self.config.min_score:
            why = f"mean log-posterior {score:.2f} is below {self.config.min_score:g}: is the text right?"
            return Outcome("low_score", why, score=score)
        alignment = merge_silences(self.intervals(path, graph, phones, end_s), words, self.config)
        return Outcome("aligned", alignment=alignment, score=score)

    def align_file(self, wav: str | Path, phones: Sequence[str], words: Sequence[int] = ()) -> Outcome:
        """Align phones to an audio file; a file that cannot be used is an outcome, `failed`."""
        try:
            mel, end_s = compute_mel(str(wav), self.front_end)
        except (AudioError, DataError) as error:
            return Outcome("failed", str(error).replace("\n", " "))
        return self.align(mel, end_s, phones, words)

    def save(self, exp: Path) -> None:
        """Write `aligner.pt`; the config is written where training starts."""
        state = {
            "network": self.network.state_dict(),
            "units": list(self.topology.units),
            "log_prior": torch.from_numpy(self.log_prior),
            "rate_hz": self.front_end.rate_hz,
        }
        save_checkpoint(exp / "aligner.pt", state)
