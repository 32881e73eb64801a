"""Token-acoustic contrastive loss: speech frames against phoneme frames, over all valid frames of the batch.

With S and P the (frames, dim) speech and phoneme embeddings of all valid frames and C = tau * S P^T,

    L_contrastive = 1/2 (CE(C, I) + CE(C^T, I))

Source: VQ-CTAP (arXiv 2408.05758), token-acoustic contrastive loss (its figure shows the N x N matrix with a positive
    diagonal); the form is Eq. 7 of SecoustiCodec (arXiv 2508.02849), by the same group under the same name. Neither
    says whether S and P are normalised or how tau is set: both are settings here. Frames of the same phone and of
    silence are false negatives by nature; the settings that treat them otherwise than the paper are ours.

One loss in three modules, because with `scope: global` it couples all frames of a step, over ranks and micro-batches,
and its gradient must still be exact: here the settings and which frames take part; `infonce` the loss and its
gradient in tiles and over ranks; `joint` collects the frames of micro-batches and hands the gradients back.
"""

from functools import partial
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from ctaplib.config import Config
from ctaplib.errors import ConfigError
from ctaplib.losses.infonce import symmetric_infonce
from ctaplib.losses.joint import active_rows
from ctaplib.losses.terms import Term
from ctaplib.tensors import at_least_float32


class ContrastiveConfig(Config):
    """Settings of the token-acoustic contrastive loss."""

    same_phone: Literal["keep", "mask", "soft"] = "keep"
    """Frames of the anchor's phone: negatives (keep, the paper), excluded (mask), or targets as well (soft)."""
    soft_share: float = Field(default=0.5, ge=0.0, le=1.0)
    """With `same_phone: soft`, share of the target that all frames of the anchor's phone divide evenly."""
    silence: Literal["keep", "drop"] = "keep"
    """Silence frames: like any other (keep, the paper), or neither anchors nor negatives (drop)."""
    scope: Literal["global", "micro"] = "global"
    """Contrast with the frames of all ranks and micro-batches (global), or of one micro-batch of one rank (micro), which
    is faster with gradient accumulation, and another loss."""
    normalize: bool = True
    """Scale embeddings to length 1."""
    tiles: Literal["fp32", "bf16"] = "fp32"
    """Type of the products; exponentials and sums are float32 in both cases."""


def contrastive_loss(
    speech: Tensor,
    phonemes: Tensor,
    mask: Tensor,
    scale: Tensor | float,
    config: ContrastiveConfig | None = None,
    *,
    labels: Tensor | None = None,
    silence_label: int | None = None,
) -> Term:
    """Contrast every valid speech frame with all phoneme frames, and the reverse.

    Args:
        speech: (batch, time, dim), before the quantizer.
        phonemes: (batch, time, dim), the phonemes of each frame of `speech`.
        mask: (batch, time) bool, True where valid.
        scale: Inverse temperature tau, a scalar tensor where learned.
        config: Settings; the paper's if None.
        labels: (batch, time) int64, phone of every frame; needed unless all frames are kept.
        silence_label: Label of silence; needed to drop it.

    Returns:
        Sum over this rank's frames, the mean of both directions, and their number.

    Raises:
        ConfigError: The settings need labels that were not given.
    """
    config = config or ContrastiveConfig()
    if labels is None and (config.same_phone != "keep" or config.silence == "drop"):
        raise ConfigError(
            f"same_phone: {config.same_phone} with silence: {config.silence} but no frame labels",
            expected="the phone of every frame",
            fix="train on aligned speech, or set same_phone: keep and silence: keep",
        )
    if config.silence == "drop":
        if silence_label is None or labels is None:
            raise ConfigError("silence: drop, but no label of silence", fix="give silence_label, or set silence: keep")
        mask = mask & (labels != silence_label)
    used = None if labels is None or config.same_phone == "keep" else labels[mask]
    rows = _embed(speech[mask], config.normalize), _embed(phonemes[mask], config.normalize)
    loss = partial(
        symmetric_infonce,
        exclude_same=config.same_phone == "mask",
        soft_share=config.soft_share if config.same_phone == "soft" else 0.0,
        across_ranks=config.scope == "global",
        bf16=config.tiles == "bf16",
    )
    tau = torch.as_tensor(scale, dtype=rows[0].dtype, device=rows[0].device)
    joint = active_rows() if config.scope == "global" else None
    total = loss(*rows, tau, used) if joint is None else joint.add(loss, *rows, tau, used)
    return Term(total, mask.sum())


def _embed(frames: Tensor, normalize: bool) -> Tensor:
    with torch.autocast(frames.device.type, enabled=False):
        wide = at_least_float32(frames)
        return torch.nn.functional.normalize(wide, dim=1, eps=1e-8) if normalize else wide
