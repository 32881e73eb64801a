"""Log-mel as a differentiable torch module, with the values of `ctaplib.audio.features.log_mel`."""

import torch
from torch import Tensor, nn

from ctaplib.audio.features import hann_window, mel_filterbank
from ctaplib.audio.settings import FeatureConfig


class MelSpectrogram(nn.Module):
    """Natural logarithm of mel band magnitudes of a batch of waves.

    Args:
        config: The front end.
    """

    window: Tensor
    bank: Tensor

    def __init__(self, config: FeatureConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("window", torch.from_numpy(hann_window(config).copy()), persistent=False)
        self.register_buffer("bank", torch.from_numpy(mel_filterbank(config).copy()), persistent=False)

    def forward(self, wave: Tensor) -> Tensor:
        """Map waves (batch, samples) to (batch, floor(samples / hop), n_mels), in fp32, differentiable."""
        c = self.config
        with torch.autocast(wave.device.type, enabled=False):
            padded = nn.functional.pad(wave.float()[:, None], (c.pad_samples, c.pad_samples), mode="reflect")[:, 0]
            frames = padded.unfold(-1, c.window_samples, c.hop_samples) * self.window
            spectrum = torch.fft.rfft(frames, n=c.fft_size)
            # The small constant keeps the gradient of the root finite at silence; it is below the floor.
            magnitude = (spectrum.real.square() + spectrum.imag.square() + 1e-14).sqrt()
            return (magnitude @ self.bank).clamp_min(c.floor).log()
