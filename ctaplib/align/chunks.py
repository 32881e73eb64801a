"""All utterances laid end to end and cut into chunks of one length, which a network is trained on without padding."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

GAP_FRAMES = 24
"""Frames of nothing between utterances, and seen around every chunk: more than the network's reach."""
IGNORED = -100
"""Target of a frame that belongs to no utterance."""


class Chunks:
    """Frames of all utterances and where each chunk lies in them.

    Args:
        mels: (T, n_mels) centred log-mel of each utterance.
        size: Frames of a chunk.
    """

    def __init__(self, mels: Sequence[np.ndarray], size: int) -> None:
        self.size = size
        gap = np.zeros((GAP_FRAMES, mels[0].shape[1]), np.float32)
        tail = np.zeros((size + GAP_FRAMES, mels[0].shape[1]), np.float32)
        self.frames = torch.from_numpy(np.concatenate([gap, *[part for mel in mels for part in (mel, gap)], tail]))
        self.lengths = [len(mel) for mel in mels]
        self.starts = np.cumsum([GAP_FRAMES, *[length + GAP_FRAMES for length in self.lengths]])[:-1].tolist()
        self.count = -(-(len(self.frames) - len(tail)) // size)

    def mel(self, index: int) -> np.ndarray:
        """(T, n_mels) of an utterance."""
        return self.frames[self.starts[index] : self.starts[index] + self.lengths[index]].numpy()

    def places(self, chosen: Sequence[int]) -> Tensor:
        """Where the frames of chunks and those around them lie, (chunks, size + 2 * GAP_FRAMES) indices into `frames`."""
        around = torch.arange(-GAP_FRAMES, self.size + GAP_FRAMES)
        return (torch.tensor(chosen)[:, None] * self.size + around + GAP_FRAMES).clamp(max=len(self.frames) - 1)

    def targets(self, labels: Sequence[np.ndarray]) -> Tensor:
        """The class of every frame of `frames`, int64, from the (T,) classes of each utterance."""
        flat = torch.full((len(self.frames),), IGNORED)
        for start, label in zip(self.starts, labels, strict=True):
            flat[start : start + len(label)] = torch.from_numpy(label.astype(np.int64))
        return flat

    def plan(self, batch_chunks: int, epochs: float, seed: int) -> list[list[int]]:
        """Batches of chunks for so many epochs, at least one, each chunk once an epoch.

        Args:
            batch_chunks: Chunks in a batch at most; an epoch is shared out so that its batches differ by one at most.
            epochs: May be a fraction.
            seed: Of the order.
        """
        generator = torch.Generator().manual_seed(seed)
        wanted = self.steps(batch_chunks, epochs)
        batches: list[list[int]] = []
        while len(batches) < wanted:
            order = torch.randperm(self.count, generator=generator)
            batches += [part.tolist() for part in order.tensor_split(-(-self.count // batch_chunks))]
        return batches[:wanted]

    def steps(self, batch_chunks: int, epochs: float) -> int:
        """Batches in so many epochs."""
        return max(1, round(epochs * self.count / batch_chunks))
