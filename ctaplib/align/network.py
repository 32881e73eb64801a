"""A small convolutional network that names the class of every frame, and one pass of its training."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ctaplib.align.config import NetworkConfig
from ctaplib.errors import TrainingError

GAP_FRAMES = 24
"""Frames of nothing between utterances in training, more than the network's reach."""
_IGNORED = -100


class FrameNetwork(nn.Module):
    """Class scores for every frame, from frames around it; inside it works at half the frame rate.

    Args:
        n_mels: Bands of the input.
        n_classes: Classes to tell apart.
        config: Width and reach.
    """

    def __init__(self, n_mels: int, n_classes: int, config: NetworkConfig) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.enter = nn.Conv1d(n_mels, config.width, 8, stride=2, padding=3)
        self.layers = nn.ModuleList(nn.Conv1d(config.width, config.width, 3, padding=d, dilation=d) for d in config.dilations)
        self.leave = nn.Conv1d(config.width, 2 * n_classes, 1)

    def forward(self, mel: Tensor) -> Tensor:
        """Map (batch, T, n_mels) with T even to logits (batch, T, classes)."""
        hidden = torch.relu(self.enter(mel.transpose(1, 2)))
        for layer in self.layers:
            hidden = hidden + torch.relu(layer(hidden))
        return self.leave(hidden).transpose(1, 2).reshape(len(mel), -1, self.n_classes)

    @torch.no_grad()
    def log_posteriors(self, mel: np.ndarray) -> np.ndarray:
        """Log-posteriors of one utterance, (T, n_mels) to (T, classes) float32."""
        frames = torch.from_numpy(np.pad(mel, ((0, len(mel) % 2), (0, 0))))
        return self(frames[None])[0, : len(mel)].log_softmax(-1).numpy()


def log_priors(labels: Sequence[np.ndarray], n_classes: int) -> np.ndarray:
    """Log of the share of frames of each class, (classes,) float32; an unseen class counts as one frame."""
    counts = np.bincount(np.concatenate(list(labels)), minlength=n_classes) + 1.0
    return np.log(counts / counts.sum()).astype(np.float32)


class ChunkTrainer:
    """Trains a network on chunks of all utterances laid end to end.

    Args:
        network: What is trained.
        mels: (T, n_mels) centred log-mel of each utterance.
        config: How.
        seed: Of the order of chunks.
    """

    def __init__(self, network: FrameNetwork, mels: Sequence[np.ndarray], config: NetworkConfig, seed: int) -> None:
        self.network, self.mels, self.config, self.seed = network, mels, config, seed
        gap = np.zeros((GAP_FRAMES, mels[0].shape[1]), np.float32)
        tail = np.zeros((config.chunk_frames + GAP_FRAMES, mels[0].shape[1]), np.float32)
        self.frames = torch.from_numpy(np.concatenate([gap, *[part for mel in mels for part in (mel, gap)], tail]))
        self.optimizer = torch.optim.AdamW(network.parameters(), lr=config.lr, weight_decay=1e-2)
        self.n_chunks = -(-(len(self.frames) - len(tail)) // config.chunk_frames)
        self.steps_done = 0

    def steps_of(self, pass_index: int) -> int:
        """Optimiser steps of one pass."""
        return max(1, round(self.config.passes[pass_index] * self.n_chunks / self.config.batch_chunks))

    @property
    def total_steps(self) -> int:
        """Optimiser steps of all passes."""
        return sum(self.steps_of(i) for i in range(len(self.config.passes)))

    def run_pass(
        self, pass_index: int, labels: Sequence[np.ndarray], tell: Callable[[int, float, float, float], None] | None = None
    ) -> float:
        """Train one pass on the given labels and return its mean loss.

        Args:
            pass_index: Which of `config.passes`.
            labels: (T,) class of every frame of each utterance.
            tell: Is given every step, counted from 1 over all passes, its loss, learning rate and norm of the gradient.

        Raises:
            TrainingError: the loss is not a finite number.
        """
        targets = self._targets(labels)
        generator = torch.Generator().manual_seed(1000 * self.seed + pass_index)
        total_steps = self.total_steps
        size, order, losses = self.config.chunk_frames, torch.empty(0, dtype=torch.long), 0.0
        around = torch.arange(-GAP_FRAMES, size + GAP_FRAMES)
        steps = self.steps_of(pass_index)
        for _ in range(steps):
            if not len(order):
                order = torch.randperm(self.n_chunks, generator=generator)
            chosen, order = order[: self.config.batch_chunks], order[self.config.batch_chunks :]
            places = (chosen[:, None] * size + around + GAP_FRAMES).clamp(max=len(self.frames) - 1)
            logits = self.network(self.frames[places])[:, GAP_FRAMES : GAP_FRAMES + size]
            wanted = targets[places[:, GAP_FRAMES : GAP_FRAMES + size]]
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=_IGNORED, reduction="sum")
            loss = loss / max(1, int((wanted != _IGNORED).sum()))
            if not torch.isfinite(loss):
                raise TrainingError(
                    f"the aligner's loss is {loss.item()} at step {self.steps_done}", fix="lower network.lr, check the features"
                )
            warm = min(1.0, (self.steps_done + 1) / 20)
            self.optimizer.param_groups[0]["lr"] = self.config.lr * warm * max(0.02, 1 - self.steps_done / total_steps)
            self.optimizer.zero_grad()
            loss.backward()
            norm = nn.utils.get_total_norm([p.grad for p in self.network.parameters() if p.grad is not None])
            self.optimizer.step()
            self.steps_done += 1
            losses += loss.item()
            if tell is not None:
                tell(self.steps_done, loss.item(), self.optimizer.param_groups[0]["lr"], norm.item())
        return losses / steps

    def state_dict(self) -> dict[str, Any]:
        """What must be kept to go on after the last whole pass."""
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict(), "steps_done": self.steps_done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a kept state."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.steps_done = int(state["steps_done"])

    def _targets(self, labels: Sequence[np.ndarray]) -> Tensor:
        gap = np.full(GAP_FRAMES, _IGNORED, np.int64)
        parts = [gap, *[part for label in labels for part in (label.astype(np.int64), gap)]]
        flat = np.concatenate(parts)
        return torch.from_numpy(np.pad(flat, (0, len(self.frames) - len(flat)), constant_values=_IGNORED))
