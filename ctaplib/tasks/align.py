"""Training of the forced aligner: a network that classifies every frame, with a realignment between passes.

A pass is an epoch of the trainer. The labels of the first pass come from Gaussian mixtures, those of every other pass from
the network at its beginning. They are kept in `labels/`, so that a killed run can resume. Features, mixtures and
realignment are computed by all ranks together (`align/parallel.py`).
"""

import copy
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field

from ctaplib.align.aligner import Aligner
from ctaplib.align.chunks import GAP_FRAMES, IGNORED, Chunks
from ctaplib.align.config import AlignConfig
from ctaplib.align.corpus import Utterance, compute_mel, evenly, find_units
from ctaplib.align.flat_start import label_by_mixtures, train_mixtures
from ctaplib.align.frontend import centre
from ctaplib.align.network import FrameNetwork, log_priors
from ctaplib.align.parallel import map_items
from ctaplib.align.preview import path_preview
from ctaplib.align.topology import Topology
from ctaplib.align.training_set import choose_evenly, load_training_set, read_usable
from ctaplib.align.viterbi import load_loops
from ctaplib.audio.settings import FeatureConfig, read_feature_config
from ctaplib.collective import from_first, rank
from ctaplib.config import config_hash
from ctaplib.data.batching import BatchConfig
from ctaplib.errors import CheckpointError, ConfigError
from ctaplib.files import atomic_write, make_folder, read_table
from ctaplib.losses.terms import Term
from ctaplib.runs.log import get_logger
from ctaplib.runs.panels import Preview
from ctaplib.tasks.base import BatchStats, Task, TaskPaths
from ctaplib.tasks.settings import OptimConfig, TaskConfig, TrainConfig

log = get_logger(__name__)


class AlignTrainConfig(TrainConfig):
    """Precision of training, intervals of validation and checkpoints; the length follows from `network.passes`."""

    keep_best: int = Field(1, ge=1, le=1)
    """The aligner is the network of the last step, whose labels it was trained on: our choice."""
    max_steps: int = 0
    """Computed from the passes and the data, and written to the run's config; may not be given."""


class AlignTaskConfig(AlignConfig, TaskConfig):
    """Settings of the aligner and its training."""

    valid_minutes: float = Field(default=10.0, gt=0)
    """Audio of the validation set to align at each validation, minutes."""
    batch: BatchConfig = BatchConfig(batch_s=20.5, min_items=2)
    """Size of the batches; chunks have one length, so that only `batch_s` and `min_items` are used."""
    optim: OptimConfig = OptimConfig(lr=2e-3, warmup_steps=20, schedule="linear", betas=(0.9, 0.999))
    train: AlignTrainConfig = AlignTrainConfig(valid_every_steps=500, precision="fp32")
    """Training; realignments are always in fp32."""


@dataclass(frozen=True)
class ChunkBatch:
    """Frames (chunks, size + 2 * GAP_FRAMES, n_mels) of some chunks.

    `places` (chunks, size) is the index of every frame of the middle among all frames.
    """

    frames: torch.Tensor
    places: torch.Tensor


class AlignTask(Task):
    """Training from text, audio and features; writes `aligner.pt` at the end."""

    name = "align"
    Config = AlignTaskConfig
    config: AlignTaskConfig
    features: FeatureConfig
    model: FrameNetwork

    def __init__(self, config: AlignTaskConfig, paths: TaskPaths, *, training: bool = True) -> None:
        super().__init__(config, paths, training=training)
        if not training:
            self.model = Aligner.load(paths.exp).network
            return
        load_loops()  # a missing numba is found before the audio is read
        make_folder(paths.exp)
        self.jobs = torch.get_num_threads()
        data, dump = paths.data / paths.train_set, paths.dump / paths.train_set
        utterances = read_usable(data, dump)
        if not paths.valid_set:
            raise ConfigError("the aligner has no validation set", fix="give --valid_set")
        valid_dump = paths.dump / paths.valid_set
        self.valid = choose_evenly(read_usable(paths.data / paths.valid_set, valid_dump), valid_dump, config.valid_minutes)
        self.valid_frame_counts = read_table(valid_dump / "utt2num_frames")
        self.features = read_feature_config(dump / "features.yaml")
        self.topology = Topology(config, find_units(utterances, config.drop_tone))
        chosen = choose_evenly(utterances, dump, max(config.network.minutes, config.bootstrap.minutes))
        self.training_set = load_training_set(config, self.topology, chosen, self.features.rate_hz, self.jobs)
        self.chunks = Chunks([centre(mel) for mel in self.training_set.mels], config.network.chunk_frames)
        self.batch_chunks = max(1, round(config.batch.batch_s / (config.network.chunk_frames * config.hop_s)))
        self.ends = list(accumulate(self.chunks.steps(self.batch_chunks, epochs) for epochs in config.network.passes))
        steps = self.ends[-1]
        if config.train.max_steps not in (0, steps):
            raise ConfigError(
                f"train.max_steps is {config.train.max_steps}, the passes take {steps}", fix="set network.passes instead"
            )
        self.config = config.model_copy(update={"train": config.train.model_copy(update={"max_steps": steps})})
        self.stamp = f"{config_hash(self.config, of_numbers=True)} {self.training_set.digest()}"
        self.index, self.log_prior = -1, np.zeros(0, np.float32)
        torch.manual_seed(config.seed)
        self.model = FrameNetwork(config.n_mels, self.topology.n_classes, config.network)

    def train_plan(self, epoch: int) -> list[list[int]]:
        config = self.config
        return self.chunks.plan(self.batch_chunks, config.network.passes[epoch], 1000 * config.seed + epoch)

    def valid_plan(self) -> list[list[int]]:
        return [list(range(len(self.valid)))]

    def load(self, split: str, items: Sequence[int], step: int) -> ChunkBatch | list[Utterance]:
        if split == "valid":
            return [self.valid[i] for i in items]
        places = self.chunks.places(items)
        return ChunkBatch(self.chunks.frames[places], places[:, GAP_FRAMES:-GAP_FRAMES])

    def before_training(self, step: int) -> None:
        """Compute the labels of the first pass, or load those of the pass to resume."""
        if rank() == 0:
            training_set = self.training_set
            log.info(
                "training on %d utterances, %.1f minutes, %d units",
                len(training_set.mels), sum(training_set.seconds) / 60, len(self.topology.units),
            )  # fmt: skip
        if step < self.ends[-1]:
            self._relabel(step + 1)

    def losses(self, batch: ChunkBatch, step: int, optimizer: str) -> dict[str, Term]:
        self._relabel(step)
        logits = self.model(batch.frames)[:, GAP_FRAMES:-GAP_FRAMES]
        targets = self.targets[batch.places]
        total = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum")
        return {"frames": Term(total, (targets != IGNORED).sum())}

    def weights(self, step: int, optimizer: str) -> dict[str, float]:
        return {"frames": 1.0}

    @torch.no_grad()
    def evaluate(self, batch: list[Utterance]) -> dict[str, Term]:
        """Compute minus the mean log-posterior of an utterance (`-min_score` if not aligned), and those not aligned, percent."""
        aligner = self._aligner()
        outcomes = [aligner.align_file(u.wav, u.phones, u.words) for u in batch]
        failed = [outcome.status != "aligned" for outcome in outcomes]
        scores = [self.config.min_score if fail else outcome.score for fail, outcome in zip(failed, outcomes)]
        total, count = torch.tensor([-sum(scores), 100.0 * sum(failed)], dtype=torch.float64), len(batch)
        return {"loss": Term(total[0], count), "unaligned_pct": Term(total[1], count)}

    def previews(self, batch: list[Utterance]) -> list[Preview]:
        """Show the path through every utterance, over the posteriors of the units."""
        aligner = self._aligner()
        mels = [compute_mel(u.wav, aligner.front_end)[0] for u in batch]
        graphs = [self.topology.graph(u.phones) for u in batch]
        return [path_preview(aligner, u.utt, u.phones, mel, graph) for u, mel, graph in zip(batch, mels, graphs)]

    def batch_stats(self, batch: ChunkBatch) -> BatchStats:
        return BatchStats(len(batch.places), batch.places.numel(), batch.places.numel(), self.config.hop_s)

    def item_frames(self, items: Sequence[int]) -> list[int]:
        return [round(self.config.network.chunk_frames * self.config.hop_s / self.features.hop_s) for _ in items]

    def item_names(self, items: Sequence[int]) -> list[str]:
        return [f"chunk {i} of {self.chunks.count}" for i in items]

    def valid_frames(self, items: Sequence[int]) -> list[int]:
        return [int(self.valid_frame_counts[self.valid[i].utt]) for i in items]

    def trial_step(self) -> int:
        """Return the last step of the current pass, for which there are labels: a trial makes none."""
        return self.ends[max(self.index, 0)]

    def after_validation(self, step: int) -> dict[str, float]:
        """Write the aligner at the end of training."""
        if step == self.ends[-1] and rank() == 0:
            self._aligner().save(self.paths.exp)
        return {}

    def _relabel(self, step: int) -> None:
        """Set the labels of the pass of a step, on all ranks together; they change at the first step of a pass."""
        index = bisect_left(self.ends, step)
        if index == self.index:
            return
        path = self.paths.exp / "labels" / f"{index}.npz"
        labels = from_first(lambda: self._read_labels(path))
        if labels is None:
            if index and step != self.ends[index - 1] + 1:
                raise CheckpointError(
                    f"{path} is missing, and step {step} cannot go on without it", fix="remove the run's folder"
                )
            if index:
                self._relabel(step - 1)  # the search subtracts the log-frequencies of the classes in the pass before
            labels = self._realign() if index else self._bootstrap()
            if rank() == 0:
                with atomic_write(path, "wb") as out:
                    np.savez(out, labels=np.concatenate(labels), made_from=np.array(self.stamp))
        self.index, self.targets = index, self.chunks.targets(labels).to(next(self.model.parameters()).device)
        self.log_prior = log_priors(labels, self.topology.n_classes)

    def _read_labels(self, path: Path) -> list[np.ndarray] | None:
        if not path.exists():
            return None
        with np.load(path) as kept:
            if str(kept["made_from"]) != self.stamp:
                raise CheckpointError(
                    f"{path} belongs to other data or another config", fix="remove the run's folder, or give another --exp"
                )
            return np.split(kept["labels"], np.cumsum(self.chunks.lengths)[:-1])

    def _bootstrap(self) -> list[np.ndarray]:
        training_set, config = self.training_set, self.config.bootstrap
        chosen = evenly(training_set.seconds, config.minutes)
        mixtures = train_mixtures(
            [training_set.mels[i] for i in chosen], [training_set.graphs[i] for i in chosen],
            self.topology.n_classes, config, self.jobs,
        )  # fmt: skip
        return label_by_mixtures(mixtures, training_set.mels, training_set.graphs, config.n_cepstra, self.jobs)

    @torch.no_grad()
    def _realign(self) -> list[np.ndarray]:
        aligner, chunks, graphs = self._aligner(), self.chunks, self.training_set.graphs

        def work(i: int) -> np.ndarray:
            return graphs[i].chain.classes[aligner.path(chunks.mel(i), graphs[i])[0]]

        return map_items(work, len(graphs), self.jobs)

    def _aligner(self) -> Aligner:
        """Make an aligner with the current weights, on the CPU."""
        network = copy.deepcopy(self.model).cpu()
        return Aligner(self.config, self.topology, network, self.log_prior, self.features.rate_hz)


TASK = AlignTask
