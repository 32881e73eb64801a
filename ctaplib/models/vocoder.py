"""Neural vocoder: a source-filter generator with an inverse-STFT head.

A small network reads F0 from the mel spectrogram. Pulses at that F0 and noise are the sources. A convolutional network
at the frame rate predicts, for every bin of a short-time spectrum, a gain for each source and a phase for the voiced
one; the filtered spectra are inverted and overlap-added. The gains are relative to the envelope of the mel spectrogram,
so an untrained vocoder already gives rough speech, and training learns only the fine structure.

Source: the inverse-STFT head follows iSTFTNet (Kaneko et al., 2022) and Vocos (Siuzdak, 2023); the sources follow the
neural source-filter model (Wang et al., 2019, eqs. 1-3). Deviations, our choice: pulses in closed form instead of a sum
of sines, gains in the spectral domain, F0 from the mel spectrogram itself.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from ctaplib.audio.features import mel_filterbank
from ctaplib.audio.settings import FeatureConfig
from ctaplib.config import Config
from ctaplib.models.vocoder_correction import MelCorrection, MelCorrectionConfig
from ctaplib.models.vocoder_f0 import F0Reader, F0ReaderConfig
from ctaplib.models.vocoder_source import continuous_log_f0, noise_spectra, pulse_train
from ctaplib.nn.conv_stack import ConvStack
from ctaplib.nn.stft import frame_spectra, overlap_add
from ctaplib.tensors import at_least_float32, length_mask, pad_stack

MAX_LOG_GAIN = 8.0


class VocoderConfig(Config):
    """Sizes of the vocoder."""

    channels: int = 256
    """Width of the filter network."""
    blocks: int = 2
    """Residual blocks (two convolutions each) of the filter network."""
    f0: F0ReaderConfig = F0ReaderConfig()
    """The network that reads F0 from the mel spectrogram."""
    noise_db: float = -14.0
    """Level of the noise source relative to the voiced one before training, dB."""
    correction: MelCorrectionConfig = MelCorrectionConfig()
    """Correction of finished waveforms."""
    noise_frames: int = 400
    """Period of the fixed noise, frames."""


class VocoderOutput(NamedTuple):
    """Output of the vocoder for a batch."""

    wave: torch.Tensor
    """(B, T * hop) float32, zero beyond each utterance."""
    f0_hz: torch.Tensor
    """(B, T) F0 of the sources, read or given; 0 where unvoiced."""
    f0_logits: torch.Tensor
    """(B, T, bins of F0)."""
    voiced_logit: torch.Tensor
    """(B, T)."""


class Vocoder(nn.Module):
    """Mel spectrogram to waveform.

    Mean and standard deviation (n_mels,) are those of log-mel over training data; without them, load a checkpoint.
    """

    mean: torch.Tensor
    std: torch.Tensor
    envelope_weight: torch.Tensor
    envelope_bias: torch.Tensor
    noise: torch.Tensor
    window: torch.Tensor

    def __init__(
        self,
        config: VocoderConfig,
        features: FeatureConfig,
        mean: torch.Tensor | None = None,
        std: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        self.config, self.features = config, features
        self.hop = features.hop_samples
        self.n_fft = 1 << math.ceil(math.log2(2 * self.hop))
        self.bins = self.n_fft // 2 + 1
        n_mels = features.n_mels
        self.register_buffer("mean", torch.zeros(n_mels) if mean is None else mean.float().clone())
        self.register_buffer("std", torch.ones(n_mels) if std is None else std.float().clone())
        weight, bias = envelope_map(features, self.bins)
        self.register_buffer("envelope_weight", weight, persistent=False)
        self.register_buffer("envelope_bias", bias, persistent=False)
        noise = noise_spectra(config.noise_frames, self.hop, self.n_fft, features.window_samples)
        self.register_buffer("noise", torch.view_as_real(noise), persistent=False)
        self.register_buffer("window", torch.hann_window(self.n_fft), persistent=False)
        self.correction = MelCorrection(config.correction, features)
        self.f0_reader = F0Reader(config.f0, n_mels)
        self.filter = ConvStack(n_mels + 2, config.channels, 3 * self.bins, config.blocks, (1, 2, 3))
        leave = self.filter.leave
        assert leave.bias is not None
        with torch.no_grad():
            leave.weight.mul_(0.1)
            leave.bias.zero_()
            leave.bias[self.bins : 2 * self.bins] = config.noise_db * math.log(10.0) / 20.0

    def forward(
        self,
        log_mel: torch.Tensor,
        lengths: torch.Tensor,
        f0_hz: torch.Tensor | None = None,
        noise_start: torch.Tensor | None = None,
    ) -> VocoderOutput:
        """Generate waveforms.

        Args:
            log_mel: (B, T, n_mels), not normalised.
            lengths: (B,) valid frames.
            f0_hz: (B, T) F0 of the source, 0 where unvoiced; by default it is read from `log_mel`.
            noise_start: (B,) frame of the vocoder's fixed noise signal at which each item starts, 0 by default.
        """
        frames = log_mel.shape[1]
        valid = length_mask(lengths, frames)
        log_mel = at_least_float32(log_mel)
        normal = (log_mel - self.mean) / self.std
        logits, voiced_logit = self.f0_reader(normal, valid)
        if f0_hz is None:
            source_hz = self.f0_reader.decode(logits, voiced_logit, lengths)
        else:
            source_hz = at_least_float32(f0_hz) * valid
        log_f0 = continuous_log_f0(source_hz, lengths)
        pitch = torch.stack([(log_f0 - math.log(150.0)) * 2.0, (source_hz > 0).to(source_hz.dtype) - 0.5], -1)
        out = at_least_float32(self.filter(torch.cat([normal, pitch], -1), valid))
        spectra = self._filter_sources(out, log_mel, log_f0, noise_start) * valid[..., None]
        half = self.n_fft // 2 - self.hop // 2
        wave = overlap_add(spectra, self.hop, self.window, self.n_fft)[:, half : half + frames * self.hop]
        wave = wave * length_mask(lengths * self.hop, wave.shape[1])
        return VocoderOutput(wave, source_hz, logits, voiced_logit)

    def _filter_sources(
        self, out: torch.Tensor, log_mel: torch.Tensor, log_f0: torch.Tensor, noise_start: torch.Tensor | None
    ) -> torch.Tensor:
        """Compute short-time spectra (B, T, bins) complex from the output of the filter network (B, T, 3 * bins)."""
        envelope = F.linear(log_mel, self.envelope_weight, self.envelope_bias)
        gain, noise_gain, phase = out.split(self.bins, 2)
        gain = torch.exp((envelope + gain).clamp_max(MAX_LOG_GAIN))
        noise_gain = torch.exp((envelope + noise_gain).clamp_max(MAX_LOG_GAIN))
        with torch.no_grad():
            pulses, noise = self._sources(log_f0, noise_start)
        return torch.complex(gain * torch.cos(phase), gain * torch.sin(phase)) * pulses + noise_gain * noise

    def _sources(self, log_f0: torch.Tensor, start: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the spectra of pulses and noise, (B, T, bins) complex."""
        frames = log_f0.shape[1]
        around = -(-self.n_fft // (2 * self.hop))
        f0 = torch.exp(F.pad(log_f0[:, None], (around, around), mode="replicate")[:, 0])
        first = around * self.hop - self.n_fft // 2
        pulses = pulse_train(f0, self.hop, self.features.rate_hz)
        pulses = pulses[:, first : first + (frames - 1) * self.hop + self.n_fft]
        begin = torch.zeros(len(f0), dtype=torch.int64, device=f0.device) if start is None else start
        places = (begin[:, None] + torch.arange(frames, device=f0.device)) % self.config.noise_frames
        return frame_spectra(pulses, self.hop, self.window, self.n_fft), torch.view_as_complex(self.noise)[places]

    @torch.no_grad()
    def generate(self, log_mels: Sequence[torch.Tensor], f0s_hz: Sequence[torch.Tensor] | None = None) -> list[torch.Tensor]:
        """Generate waveforms (T * hop,) float32 of log-mel spectrograms (T, n_mels); a batch changes none of them.

        F0 (T,), 0 where unvoiced, is read from the spectrograms if not given.
        """
        device = self.mean.device
        padded, lengths = pad_stack([mel.to(device) for mel in log_mels])
        f0_hz = None if f0s_hz is None else pad_stack([f0.to(device) for f0 in f0s_hz])[0]
        lengths = lengths.to(device)
        wave = self.correction(self(padded, lengths, f0_hz).wave, padded.float(), lengths)
        return [row[: int(n) * self.hop].cpu() for row, n in zip(wave, lengths)]


def envelope_map(features: FeatureConfig, bins: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the linear map from log-mel to a log-magnitude envelope.

    The value at a bin is interpolated between the two mel bands whose centres enclose it, after each band is divided by
    the sum of its filter: the mean magnitude under it.

    Returns:
        weight (bins, n_mels) and bias (bins,).
    """
    bank = torch.from_numpy(mel_filterbank(features).copy()).double()
    hz = torch.linspace(0, features.rate_hz / 2, len(bank), dtype=torch.float64)
    area = bank.sum(0).clamp_min(1e-12)
    centres = (bank * hz[:, None]).sum(0) / area
    places = torch.linspace(0, features.rate_hz / 2, bins, dtype=torch.float64)
    right = torch.searchsorted(centres, places).clamp(1, len(centres) - 1)
    width = (centres[right] - centres[right - 1]).clamp_min(1e-9)
    share = ((places - centres[right - 1]) / width).clamp(0, 1)
    weight = torch.zeros(bins, len(centres), dtype=torch.float64)
    weight.scatter_(1, (right - 1)[:, None], (1 - share)[:, None])
    weight.scatter_add_(1, right[:, None], share[:, None])
    return weight.float(), (-(weight @ area.log())).float()
