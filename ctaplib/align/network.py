"""A small convolutional network that classifies every frame."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ctaplib.align.config import NetworkConfig


class FrameNetwork(nn.Module):
    """Classifier of every frame from the frames around it; it works at half the frame rate inside."""

    def __init__(self, n_mels: int, n_classes: int, config: NetworkConfig) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.enter = nn.Conv1d(n_mels, config.width, 8, stride=2, padding=3)
        self.layers = nn.ModuleList(nn.Conv1d(config.width, config.width, 3, padding=d, dilation=d) for d in config.dilations)
        self.leave = nn.Conv1d(config.width, 2 * n_classes, 1)

    def forward(self, mel: Tensor) -> Tensor:
        """Map (B, T, n_mels) with T even to logits (B, T, classes)."""
        hidden = torch.relu(self.enter(mel.transpose(1, 2).to(self.enter.weight.dtype)))
        for layer in self.layers:
            hidden = hidden + torch.relu(layer(hidden))
        return self.leave(hidden).transpose(1, 2).reshape(len(mel), -1, self.n_classes)

    @torch.no_grad()
    def log_posteriors(self, mel: np.ndarray) -> np.ndarray:
        """Compute the log-posteriors of one utterance on the CPU, (T, n_mels) to (T, classes) float32, without autocast."""
        frames = torch.from_numpy(np.pad(mel, ((0, len(mel) % 2), (0, 0))))
        with torch.autocast("cpu", enabled=False):
            return self(frames[None])[0, : len(mel)].log_softmax(-1).float().numpy()


def log_priors(labels: Sequence[np.ndarray], n_classes: int) -> np.ndarray:
    """Return the log of the frequency of each class, (classes,) float32; an unseen class counts as one frame."""
    counts = np.bincount(np.concatenate(list(labels)), minlength=n_classes) + 1.0
    return np.log(counts / counts.sum()).astype(np.float32)
