"""All utterances, concatenated and cut into chunks of one length, so that a network is trained without padding."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

GAP_FRAMES = 24
"""Zero frames between utterances, and context around every chunk: more than the network's receptive field."""
IGNORED = -100
"""Target of a frame of no utterance."""


class Chunks:
    """Centred log-mel (T, n_mels) of all utterances, and the places of chunks of `size` frames in them."""

    def __init__(self, mels: Sequence[np.ndarray], size: int) -> None:
        self.size = size
        gap = np.zeros((GAP_FRAMES, mels[0].shape[1]), np.float32)
        tail = np.zeros((size + GAP_FRAMES, mels[0].shape[1]), np.float32)
        self.frames = torch.from_numpy(np.concatenate([gap, *[part for mel in mels for part in (mel, gap)], tail]))
        self.lengths = [len(mel) for mel in mels]
        self.starts = np.cumsum([GAP_FRAMES, *[length + GAP_FRAMES for length in self.lengths]])[:-1].tolist()
        self.count = -(-(len(self.frames) - len(tail)) // size)

    def mel(self, index: int) -> np.ndarray:
        """Return the log-mel (T, n_mels) of an utterance."""
        return self.frames[self.starts[index] : self.starts[index] + self.lengths[index]].numpy()

    def places(self, chosen: Sequence[int]) -> Tensor:
        """Return indices into `frames` of chunks and their context, (chunks, size + 2 * GAP_FRAMES)."""
        around = torch.arange(-GAP_FRAMES, self.size + GAP_FRAMES)
        return (torch.tensor(chosen)[:, None] * self.size + around + GAP_FRAMES).clamp(max=len(self.frames) - 1)

    def targets(self, labels: Sequence[np.ndarray]) -> Tensor:
        """Return the class of every frame of `frames`, int64, from the (T,) classes of each utterance."""
        flat = torch.full((len(self.frames),), IGNORED)
        for start, label in zip(self.starts, labels, strict=True):
            flat[start : start + len(label)] = torch.from_numpy(label.astype(np.int64))
        return flat

    def plan(self, batch_chunks: int, epochs: float, seed: int) -> list[list[int]]:
        """Return batches of chunks for a number of epochs, a fraction allowed: at least one, each chunk once per epoch.

        A batch has at most `batch_chunks` chunks; the batches of an epoch differ by one chunk at most.
        """
        generator = torch.Generator().manual_seed(seed)
        steps = self.steps(batch_chunks, epochs)
        batches: list[list[int]] = []
        while len(batches) < steps:
            order = torch.randperm(self.count, generator=generator)
            batches += [part.tolist() for part in order.tensor_split(-(-self.count // batch_chunks))]
        return batches[:steps]

    def steps(self, batch_chunks: int, epochs: float) -> int:
        """Return the number of batches in a number of epochs."""
        return max(1, round(epochs * self.count / batch_chunks))
