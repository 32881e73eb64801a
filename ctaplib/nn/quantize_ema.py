"""Vector quantizer whose codebook follows the encoder by moving averages, with restart of dead codes.

Source: van den Oord, Vinyals, Kavukcuoglu 2017 (arXiv 1711.00937), Eq. 1 (nearest code), Eq. 3 (commitment)
    and appendix A.1 (moving averages). The VQ-CTAP paper takes the nearest code of one codebook and does not say how
    the codebook is learned; moving averages, restart and the low width are our choice.
"""

import torch
from pydantic import Field
from torch import Tensor

from ctaplib.collective import gather_rows, sum_over_ranks, take_first
from ctaplib.nn.codebook import draw_order, kmeans, nearest_codes, sums_per_code
from ctaplib.nn.quantize import CodebookConfig, Quantizer


class EmaConfig(CodebookConfig):
    """Settings of the moving-average quantizer."""

    decay: float = Field(default=0.99, ge=0.0, lt=1.0)
    """Decay of the averages, gamma of appendix A.1."""
    kmeans_iterations: int = Field(default=10, ge=0)
    """Iterations of k-means on the vectors of the first step, which initialises the codebook; 0: random vectors."""
    restart_threshold: float = Field(default=0.1, ge=0.0)
    """A code whose averaged use is below this share of uniform use is dead; 0 never restarts."""
    restart_use: float = Field(default=0.5, gt=0.0)
    """Averaged use that a restarted code starts with, as a share of uniform use: the larger, the longer before it can
    be restarted again."""
    restart_every_steps: int = Field(default=10, ge=1)
    """Steps between two searches for dead codes."""
    restart_until_step: int | None = Field(default=None, ge=0)
    """Last step at which codes restart; None: no last step."""
    pool_frames: int = Field(default=16384, ge=1)
    """Most vectors of a step that each rank keeps as candidates for restart and initialisation."""


class EmaQuantizer(Quantizer):
    """Moving-average vector quantizer."""

    Config = EmaConfig
    codebook: Tensor
    code_use: Tensor
    code_sums: Tensor
    placed: Tensor
    pending_sums: Tensor

    def __init__(self, config: EmaConfig, input_dim: int) -> None:
        super().__init__(input_dim, config.code_dim, (config.codebook_size,))
        self.config = config
        codebook = self.refine(torch.randn(config.codebook_size, self.code_dim))
        self.register_buffer("codebook", codebook)
        self.register_buffer("code_use", torch.ones(config.codebook_size))
        self.register_buffer("code_sums", codebook.clone())
        self.register_buffer("placed", torch.tensor(False))
        self.register_buffer("pending_sums", torch.zeros_like(codebook), persistent=False)
        self._pool: list[Tensor] = []

    def refine(self, codebook: Tensor) -> Tensor:
        """Project averaged vectors (codes, code_dim) to where codes may lie; the identity by default."""
        return codebook

    def search(self, latent: Tensor) -> Tensor:
        return nearest_codes(latent, self.codebook)

    def vectors(self, codes: Tensor) -> Tensor:
        return self.codebook[codes]

    def frame_loss(self, latent: Tensor, vectors: Tensor) -> Tensor:
        return self.config.commitment * (latent - vectors.detach()).square().mean(1)

    def record(self, latent: Tensor, codes: Tensor) -> None:
        super().record(latent, codes)
        self.pending_sums += sums_per_code(latent, codes, self.config.codebook_size)[1]
        self._pool.append(latent)
        if sum(len(part) for part in self._pool) > self.config.pool_frames:
            pool = torch.cat(self._pool)
            self._pool = [pool[draw_order(pool, 0)[: self.config.pool_frames]]]

    def update(self, step: int, counts: Tensor) -> None:
        sums = sum_over_ranks(self.pending_sums).clone()
        frames = int(counts.sum())
        if frames and not bool(self.placed):
            self._place(step, frames)
        elif frames:
            self._average(counts.to(sums.dtype), sums)
            self._restart(step)
        self._reset()

    def discard_pending(self) -> None:
        super().discard_pending()
        self._reset()

    def _reset(self) -> None:
        self.pending_sums.zero_()
        self._pool = []

    def candidates(self) -> Tensor:
        """Return the vectors of this step that are kept on this rank, (rows, code_dim)."""
        return torch.cat(self._pool) if self._pool else self.codebook.new_zeros((0, self.code_dim))

    def replace_candidates(self, vectors: Tensor) -> None:
        """Replace the candidates of this step by others (rows, code_dim)."""
        self._pool = [vectors]

    def _draw_candidates(self, step: int) -> Tensor:
        pool = gather_rows(self.candidates())
        return pool[draw_order(pool, step)]

    def _place(self, step: int, frames: int) -> None:
        size = self.config.codebook_size
        codebook = kmeans(self._draw_candidates(step), size, self.config.kmeans_iterations, step)
        self.codebook.copy_(self.refine(codebook))
        self.code_use.fill_(frames / size)
        take_first(self.codebook)
        self.code_sums.copy_(self.codebook * (frames / size))
        self.placed.fill_(True)

    def _average(self, counts: Tensor, sums: Tensor) -> None:
        decay = self.config.decay
        self.code_use.mul_(decay).add_(counts, alpha=1 - decay)
        self.code_sums.mul_(decay).add_(sums, alpha=1 - decay)
        mean = self.refine(self.code_sums / self.code_use.clamp_min(1e-12)[:, None])
        self.codebook.copy_(torch.where(counts[:, None] > 0, mean, self.codebook))

    def _restart(self, step: int) -> None:
        until = self.config.restart_until_step
        if step % self.config.restart_every_steps or (until is not None and step > until):
            return
        uniform = self.code_use.sum() / self.config.codebook_size
        dead = torch.nonzero(self.code_use < self.config.restart_threshold * uniform)[:, 0]
        if len(dead) == 0:
            return
        fresh = self._draw_candidates(step)[: len(dead)]
        dead = dead[: len(fresh)]
        use = uniform * self.config.restart_use
        self.codebook[dead] = self.refine(fresh)
        take_first(self.codebook)
        self.code_use[dead] = use
        self.code_sums[dead] = self.codebook[dead] * use


QUANTIZER = EmaQuantizer
