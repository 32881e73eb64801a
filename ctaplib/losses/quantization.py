"""The quantiser's own loss as a term.

Source: VQ-CTAP's Loss_vq; its equation is van den Oord et al. 2017 (arXiv 1711.00937), Eq. 3. Quantisers
    that move their book by averages have only its commitment part, and finite scalar quantisers none.
"""

from __future__ import annotations

from ctaplib.losses.terms import Term
from ctaplib.nn.quantize import Quantized


def quantization_loss(*quantized: Quantized) -> Term:
    """Add up the quantiser's own loss over the valid frames of one or more branches.

    Args:
        quantized: what the quantiser made of every branch (labelled speech, speech-only).

    Returns:
        Sum over valid frames, and their number.
    """
    total = sum((q.loss_total for q in quantized[1:]), quantized[0].loss_total)
    count = sum((q.loss_count for q in quantized[1:]), quantized[0].loss_count)
    return Term(total, count)
