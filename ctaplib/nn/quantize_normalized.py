"""Vector quantizer on a sphere: low width, vectors and codes of one length, compared by cosine.

Source: Yu et al. 2022 (ViT-VQGAN, arXiv 2110.04627), section 3.2 (factorised and l2-normalised codes). The codebook
    follows moving averages that are projected to the sphere (spherical k-means), which is our choice. Vectors have the
    length sqrt(code_dim), so that their elements are near 1 and the squared error does not depend on the width.
"""

import torch
from torch import Tensor

from ctaplib.nn.quantize_ema import EmaQuantizer


class NormalizedQuantizer(EmaQuantizer):
    """Moving-average vector quantizer by cosine."""

    def prepare(self, projected: Tensor) -> Tensor:
        return self.refine(projected)

    def refine(self, codebook: Tensor) -> Tensor:
        """Project vectors (rows, code_dim) to the sphere of radius sqrt(code_dim)."""
        return torch.nn.functional.normalize(codebook, dim=1, eps=1e-8) * codebook.shape[1] ** 0.5


QUANTIZER = NormalizedQuantizer
