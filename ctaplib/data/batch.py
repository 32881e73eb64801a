"""A padded batch of utterances, and how it is made of arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Self

import numpy as np
import torch

from ctaplib.tensors import pad_arrays

EMPTY = torch.empty(0, dtype=torch.int64)
"""Placeholder for tensors of a batch that its task does not use."""


@dataclass(frozen=True)
class Padded:
    """An entry of an utterance whose first axis has another length in every utterance.

    Attributes:
        values: The array.
        hop: Feature frames in one step of the first axis: 1 for what is as long as the mel, the model's hop for content
            frames; these are padded to the width of the mel. 0 for what counts no frames, such as phones.
        fill: Value of the padding.
    """

    values: np.ndarray
    hop: int = 0
    fill: int = 0


Entry = np.ndarray | Padded
"""What one utterance adds to a batch: an array of one shape in all utterances, which is stacked, or one that is padded."""


@dataclass(frozen=True)
class Batch:
    """A padded batch; lengths count feature frames and are multiples of the model's hop.

    Attributes:
        mel: (B, T, n_mels) log-mel as stored.
        f0_hz: (B, T) F0, 0 where unvoiced.
        prompt: (B, Tp, n_mels) a clip of the same speaker.
        phones, durations: (B, N) token ids and feature frames; 0 at padding; like all labels empty where the task has none.
        frame_labels: (B, T / hop) label of each content frame; IGNORED_LABEL at padding.
        labels: (B, L) and their lengths; for CTC.
        words: (B, W) word pieces and their lengths; empty where the task has no words.
        random: (B, Tr, n_mels) clips of other speech, without labels; None for none.
        noise: (B, features of G) draws for the prompt's vector; None for none.
        extra: Entries of transforms and of the task's own, with `<name>_lengths` of those that are padded.
        frames: Sum of `mel_lengths`, known without asking a device.
    """

    ids: tuple[str, ...]
    mel: torch.Tensor
    mel_lengths: torch.Tensor
    f0_hz: torch.Tensor
    prompt: torch.Tensor
    prompt_lengths: torch.Tensor
    phones: torch.Tensor = EMPTY
    phones_lengths: torch.Tensor = EMPTY
    durations: torch.Tensor = EMPTY
    frame_labels: torch.Tensor = EMPTY
    labels: torch.Tensor = EMPTY
    labels_lengths: torch.Tensor = EMPTY
    words: torch.Tensor = EMPTY
    words_lengths: torch.Tensor = EMPTY
    random: torch.Tensor | None = None
    random_lengths: torch.Tensor = EMPTY
    noise: torch.Tensor | None = None
    extra: Mapping[str, torch.Tensor] = field(default_factory=dict)
    frames: int = 0

    @classmethod
    def of(cls, ids: Sequence[str], rows: Sequence[Mapping[str, Entry]], extras: Sequence[Mapping[str, Entry]], pad: int) -> Self:
        """Pad and stack fields and further entries of utterances; lengths that count frames are padded to multiples of `pad`."""
        known = {f.name for f in fields(cls)}
        own = {name: value for name, value in collate(rows, pad).items() if name in known}
        return cls(tuple(ids), extra=collate(extras, pad), frames=int(own["mel_lengths"].sum()), **own)


def collate(rows: Sequence[Mapping[str, Entry]], pad: int) -> dict[str, torch.Tensor]:
    """Stack the entries of utterances by name, as float32 or int64; those that are padded bring `<name>_lengths`."""
    tensors: dict[str, torch.Tensor] = {}
    for name, first in rows[0].items():
        entries = [row[name] for row in rows]
        if isinstance(first, Padded):
            values = [entry.values for entry in entries if isinstance(entry, Padded)]
            multiple = pad // first.hop if first.hop else 1
            tensors[name], tensors[f"{name}_lengths"] = pad_arrays(values, first.fill, multiple)
        else:
            stacked = torch.from_numpy(np.stack(entries))  # type: ignore[arg-type]
            tensors[name] = stacked.float() if stacked.is_floating_point() else stacked.long()
    return tensors
