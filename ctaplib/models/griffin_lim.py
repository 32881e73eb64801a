"""Griffin-Lim: waveforms from mel spectrograms without training, in place of a vocoder and as a baseline.

Source: Perraudin, Balazs and Soendergaard, A fast Griffin-Lim algorithm, 2013, algorithm 1.
"""

from collections.abc import Sequence

import torch

from ctaplib.audio.features import hann_window, mel_filterbank
from ctaplib.audio.settings import FeatureConfig
from ctaplib.nn.stft import frame_spectra, overlap_add
from ctaplib.runs.log import get_logger

log = get_logger(__name__)

START_SEED = 20132
MOMENTUM = 0.99
"""Acceleration; 0: the plain algorithm."""


class GriffinLim:
    """Waveforms from log-mel spectrograms; warns that it replaces a trained vocoder.

    Args:
        features: Settings of the log-mel spectrograms.
        inverse_steps: Multiplicative updates from the mel spectrogram to magnitudes.
        iterations: Iterations between spectrum and waveform.
        quiet: Do not warn, where Griffin-Lim is the baseline.
    """

    def __init__(self, features: FeatureConfig, inverse_steps: int = 30, iterations: int = 32, *, quiet: bool = False) -> None:
        self.features, self.inverse_steps, self.iterations = features, inverse_steps, iterations
        self.bank = torch.from_numpy(mel_filterbank(features).copy())
        self.window = torch.from_numpy(hann_window(features).copy())
        if not quiet:
            log.warning("Griffin-Lim generates the waveforms, which sound metallic; train the vocoder instead")

    @torch.no_grad()
    def generate(self, log_mels: Sequence[torch.Tensor], f0s_hz: Sequence[torch.Tensor] | None = None) -> list[torch.Tensor]:
        """Generate waveforms (T * hop,) float32 of log-mel spectrograms (T, n_mels); F0 is not used."""
        return [self._generate(mel.float().cpu()) for mel in log_mels]

    def _generate(self, log_mel: torch.Tensor) -> torch.Tensor:
        magnitude = self.magnitudes(log_mel)
        # The same initial phases for every utterance, independent of other random draws.
        generator = torch.Generator().manual_seed(START_SEED)
        angles = torch.rand(magnitude.shape, generator=generator) * (2 * torch.pi)
        current, previous = torch.polar(magnitude, angles), torch.zeros(())
        for _ in range(self.iterations):
            wave = self._synthesise(current)
            consistent = frame_spectra(wave[None], self.features.hop_samples, self.window, self.features.fft_size)[0]
            pushed = consistent + MOMENTUM * (consistent - previous)
            current = pushed * (magnitude / pushed.abs().clamp_min(1e-9))
            previous = consistent
        edge = self.features.pad_samples
        return self._synthesise(current)[edge : edge + len(log_mel) * self.features.hop_samples]

    def magnitudes(self, log_mel: torch.Tensor) -> torch.Tensor:
        """Estimate non-negative magnitudes (T, bins) whose mel spectrogram is close to the given one.

        Source: Lee and Seung, Algorithms for non-negative matrix factorization, 2001, eq. 4, with one factor fixed.
        """
        mel = log_mel.exp()
        estimate = (mel @ (self.bank / self.bank.sum(0).square().clamp_min(1e-12)).T).clamp_min(1e-9)
        target = mel @ self.bank.T
        for _ in range(self.inverse_steps):
            estimate = estimate * (target / ((estimate @ self.bank) @ self.bank.T).clamp_min(1e-12))
        return estimate

    def _synthesise(self, spectra: torch.Tensor) -> torch.Tensor:
        return overlap_add(spectra[None], self.features.hop_samples, self.window, self.features.fft_size)[0]
