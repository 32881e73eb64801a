"""Correction of a generated waveform toward the mel spectrogram that it was generated from.

Gains, smooth over frequency, multiply the short-time spectrum of the waveform so that its mel bands move to those of the
target; the phase stays. A limit keeps a predicted mel spectrogram, which is smooth where speech has harmonics, from
filling the valleys between them.
"""

import torch
import torch.nn.functional as F
from torch import nn

from ctaplib.audio.features import hann_window, mel_filterbank
from ctaplib.audio.settings import FeatureConfig
from ctaplib.config import Config
from ctaplib.nn.stft import frame_spectra, overlap_add
from ctaplib.tensors import length_mask


class MelCorrectionConfig(Config):
    """Settings of the correction, which needs no training (our choice)."""

    passes: int = 2
    """Number of corrections; 0: none."""
    limit: float = 0.5
    """Largest change of a band in one pass, natural logarithm."""


class MelCorrection(nn.Module):
    """Correction of waveforms, without parameters or state."""

    window: torch.Tensor
    bank: torch.Tensor
    share: torch.Tensor

    def __init__(self, config: MelCorrectionConfig, features: FeatureConfig) -> None:
        super().__init__()
        self.config, self.features = config, features
        bank = torch.from_numpy(mel_filterbank(features).copy())
        share = bank / bank.sum(1, keepdim=True).clamp_min(1e-9)
        self.register_buffer("window", torch.from_numpy(hann_window(features).copy()), persistent=False)
        self.register_buffer("bank", bank, persistent=False)
        self.register_buffer("share", share.T.contiguous(), persistent=False)

    @torch.no_grad()
    def forward(self, wave: torch.Tensor, log_mel: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Correct waveforms (B, T * hop), zero beyond each utterance, toward mel spectrograms (B, T, n_mels)."""
        hop, pad, n_fft = self.features.hop_samples, self.features.pad_samples, self.features.fft_size
        frames = length_mask(lengths, log_mel.shape[1])[..., None]
        samples = length_mask(lengths * hop, wave.shape[1])
        for _ in range(self.config.passes):
            spectra = frame_spectra(F.pad(wave, (pad, pad)), hop, self.window, n_fft)
            present = (spectra.abs() @ self.bank).clamp_min(self.features.floor).log()
            gain = torch.exp((log_mel - present).clamp(-self.config.limit, self.config.limit) @ self.share)
            # Add the change only: overlap-add of the whole spectrum would fade where frames are missing.
            change = overlap_add(spectra * ((gain - 1.0) * frames), hop, self.window, n_fft)
            wave = (wave + change[:, pad : pad + wave.shape[1]]) * samples
        return wave
