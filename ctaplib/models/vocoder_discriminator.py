"""Discriminator of the vocoder: small convolutional networks on log magnitudes."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from ctaplib.config import Config
from ctaplib.nn.stft import stft_magnitude


class DiscriminatorConfig(Config):
    """Sizes of the discriminator."""

    resolutions: tuple[tuple[int, int], ...] = ((1024, 256), (512, 128))
    """Transform length and hop of each network, samples."""
    channels: int = 16
    """Width of each network."""
    layers: int = 3
    """Convolutions of each network that halve the frequency axis."""
    floor: float = 3e-3
    """Magnitude below which differences fade out."""


class Scores(NamedTuple):
    """Output of one network for a batch."""

    scores: torch.Tensor
    """(B, T, F) high where speech sounds natural."""
    layers: list[torch.Tensor]
    """(B, C, T, F_l) outputs of the inner layers."""
    hop: int
    """Samples per frame."""


class SpectrogramNet(nn.Module):
    """Convolutions over time and frequency, with strides in frequency only."""

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        widths = [1] + [channels] * layers
        self.halving = nn.ModuleList(
            weight_norm(nn.Conv2d(i, o, (3, 9), stride=(1, 2), padding=(1, 4))) for i, o in zip(widths, widths[1:])
        )
        self.flat = weight_norm(nn.Conv2d(channels, channels, 3, padding=1))
        self.last = weight_norm(nn.Conv2d(channels, 1, 3, padding=1))

    def forward(self, log_magnitude: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """(B, T, bins) -> scores (B, T, F) and outputs of the inner layers."""
        x, layers = log_magnitude[:, None], []
        for conv in (*self.halving, self.flat):
            x = F.leaky_relu(conv(x), 0.1)
            layers.append(x)
        return self.last(x)[:, 0], layers


class Discriminator(nn.Module):
    """Discriminator of natural and generated speech at several resolutions.

    Source: the multi-resolution spectrogram discriminator of UnivNet (Jang et al., 2021, section 2.2), smaller, and on
    logarithms (our choice).
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.nets = nn.ModuleList(SpectrogramNet(config.channels, config.layers) for _ in config.resolutions)

    def forward(self, wave: torch.Tensor) -> list[Scores]:
        """Score waveforms (B, samples) at each resolution."""
        outputs = []
        for net, (n_fft, hop) in zip(self.nets, self.config.resolutions):
            magnitude = stft_magnitude(wave, n_fft, hop, self.config.floor)
            # Log magnitudes of speech lie between about -6 and 4: scaled to about -1 to 1.
            scores, layers = net((magnitude.log() + 1.0) * 0.2)
            outputs.append(Scores(scores, layers, hop))
        return outputs
