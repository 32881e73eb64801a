"""Discriminator of the vocoder: small convolutional nets that look at log magnitudes."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from ctaplib.config import Config
from ctaplib.nn.stft import Resolution, stft_magnitude


class DiscriminatorConfig(Config):
    """Sizes of the discriminator."""

    resolutions: tuple[tuple[int, int], ...] = ((1024, 256), (512, 128))
    """Transform length and hop of each net, samples."""
    channels: int = 16
    """Width of each net."""
    layers: int = 3
    """Convolutions of each net that halve the frequency axis."""
    floor: float = 3e-3
    """Magnitude below which differences fade out."""


class Judged(NamedTuple):
    """What one net says of a batch."""

    scores: torch.Tensor
    """(B, T, F) high where it sounds natural."""
    layers: list[torch.Tensor]
    """(B, C, T, F_l) outputs of the inner layers."""
    hop: int
    """Samples of one of its frames."""


class SpectrogramNet(nn.Module):
    """One net: convolutions over time and frequency, strides in frequency only."""

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        widths = [1] + [channels] * layers
        self.halving = nn.ModuleList(
            weight_norm(nn.Conv2d(i, o, (3, 9), stride=(1, 2), padding=(1, 4))) for i, o in zip(widths, widths[1:])
        )
        self.flat = weight_norm(nn.Conv2d(channels, channels, 3, padding=1))
        self.last = weight_norm(nn.Conv2d(channels, 1, 3, padding=1))

    def forward(self, log_magnitude: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """(B, T, bins) -> scores (B, T, F) and the inner layers."""
        x, layers = log_magnitude[:, None], []
        for conv in (*self.halving, self.flat):
            x = F.leaky_relu(conv(x), 0.1)
            layers.append(x)
        return self.last(x)[:, 0], layers


class Discriminator(nn.Module):
    """Tells natural from generated speech at several resolutions.

    Source: the multi-resolution spectrogram discriminator of UnivNet (Jang et al., 2021, section 2.2),
    smaller, and on logarithms (our choice).
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.nets = nn.ModuleList(SpectrogramNet(config.channels, config.layers) for _ in config.resolutions)

    def forward(self, wave: torch.Tensor) -> list[Judged]:
        """Judge waveforms (B, samples), one answer per resolution."""
        found = []
        for net, (n_fft, hop) in zip(self.nets, self.config.resolutions):
            magnitude = stft_magnitude(wave, Resolution(n_fft, hop), self.config.floor)
            # Speech lies between about -6 and 4 here; this brings it to about -1 to 1.
            scores, layers = net((magnitude.log() + 1.0) * 0.2)
            found.append(Judged(scores, layers, hop))
        return found
