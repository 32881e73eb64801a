"""SimVQ: a fixed random codebook times one learned matrix, so that every gradient moves every code.

Source: Zhu et al. 2024 (arXiv 2411.02038): codes are rows of C W with C frozen, and the loss is
||sg(z) - e||^2 + beta ||z - sg(e)||^2.
"""

import torch
from torch import Tensor, nn

from ctaplib.nn.codebook import nearest_codes
from ctaplib.nn.quantize import CodebookConfig, Quantizer


class SimQuantizer(Quantizer):
    """Vector quantizer with a frozen codebook and a learned basis."""

    Config = CodebookConfig
    frozen: Tensor

    def __init__(self, config: CodebookConfig, input_dim: int) -> None:
        super().__init__(input_dim, config.code_dim, (config.codebook_size,))
        self.config = config
        self.register_buffer("frozen", torch.randn(config.codebook_size, self.code_dim) * self.code_dim**-0.5)
        self.basis = nn.Linear(self.code_dim, self.code_dim, bias=False)
        nn.init.orthogonal_(self.basis.weight)

    def search(self, latent: Tensor) -> Tensor:
        with torch.no_grad():
            return nearest_codes(latent, self.basis(self.frozen))

    def vectors(self, codes: Tensor) -> Tensor:
        return self.basis(self.frozen)[codes]

    def frame_loss(self, latent: Tensor, vectors: Tensor) -> Tensor:
        to_code = (latent - vectors.detach()).square().mean(1)
        to_frame = (latent.detach() - vectors).square().mean(1)
        return to_frame + self.config.commitment * to_code


QUANTIZER = SimQuantizer
