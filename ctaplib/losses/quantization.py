"""The quantizer's own loss as a term.

Source: VQ-CTAP's Loss_vq, van den Oord et al. 2017 (arXiv 1711.00937), Eq. 3. Quantizers whose codebook follows moving
averages have only its commitment part, finite scalar quantizers none.
"""

from ctaplib.losses.terms import Term
from ctaplib.nn.quantize import Quantized


def quantization_loss(*quantized: Quantized) -> Term:
    """Add up the quantizer's loss over the valid frames of one or more branches (labelled speech, other speech)."""
    total = sum((q.loss_total for q in quantized[1:]), quantized[0].loss_total)
    count = sum((q.loss_count for q in quantized[1:]), quantized[0].loss_count)
    return Term(total, count)
