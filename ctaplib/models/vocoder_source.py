"""Sources of the vocoder.

The voiced source is a train of band-limited pulses that follows an F0 contour; the unvoiced source is a fixed period of
Gaussian noise. Both have a short-time spectrum (with the features' window) of mean magnitude one, so that a spectral
envelope is a gain.
"""

import math

import torch
import torch.nn.functional as F

from ctaplib.tensors import at_least_float32

DEFAULT_F0_HZ = 120.0
NOISE_SEED = 1729


def continuous_log_f0(f0_hz: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Compute the natural logarithm of F0 (B, T), interpolated linearly over unvoiced frames (0); padding is ignored.

    It is constant before the first and after the last voiced frame; that of `DEFAULT_F0_HZ` where no frame is voiced.
    """
    frames = f0_hz.shape[1]
    position = torch.arange(frames, device=f0_hz.device).expand_as(f0_hz)
    voiced = (f0_hz > 0) & (position < lengths[:, None])
    before = torch.where(voiced, position, -1).cummax(1).values
    after = torch.where(voiced, position, frames).flip(1).cummin(1).values.flip(1)
    left = torch.where(before >= 0, before, after.clamp_max(frames - 1))
    right = torch.where(after < frames, after, left)
    log_f0 = torch.log(torch.where(voiced, f0_hz, DEFAULT_F0_HZ))
    start, end = log_f0.gather(1, left), log_f0.gather(1, right)
    share = (position - left) / (right - left).clamp_min(1)
    return start + (end - start) * share.clamp(0.0, 1.0)


def pulse_train(f0_hz: torch.Tensor, hop_samples: int, sample_rate: int) -> torch.Tensor:
    """Generate band-limited pulses: equal cosines at all harmonics below the Nyquist frequency.

    The sum of cosines is computed in closed form (the Dirichlet kernel), so that its cost does not depend on the number
    of harmonics.

    Args:
        f0_hz: (B, K) positive, one value every `hop_samples`.
        hop_samples: Samples from one value to the next.
        sample_rate: Hz.

    Returns:
        (B, (K - 1) * hop_samples), at least float32, of mean spectral magnitude one. The phase is zero at the start.
    """
    samples = (f0_hz.shape[1] - 1) * hop_samples
    f0 = F.interpolate(f0_hz[:, None].double(), size=samples + 1, mode="linear", align_corners=True)[:, 0, :-1]
    cycles = torch.cumsum(f0 / sample_rate, 1)
    wide = at_least_float32(f0_hz).dtype
    half = (math.pi * (cycles - cycles.round())).to(wide)
    harmonics = torch.floor(0.5 * sample_rate / f0).to(wide)
    below = torch.sin(half)
    peak = below.abs() < 1e-4
    ratio = torch.sin((2.0 * harmonics + 1.0) * half) / (2.0 * torch.where(peak, 1.0, below))
    total = torch.where(peak, harmonics, ratio - 0.5)
    return total * (2.0 * f0 / sample_rate).to(wide)


def noise_spectra(frames: int, hop_samples: int, n_fft: int, analysis_window: int) -> torch.Tensor:
    """Compute windowed spectra (frames, n_fft // 2 + 1) of one period of fixed Gaussian noise, the same in every run.

    Args:
        frames: Length of the period; frame t of a signal uses spectrum t modulo `frames`.
        hop_samples: Samples between frames.
        n_fft: Length of the transform.
        analysis_window: Window length of the features, with which the mean magnitude is one.
    """
    generator = torch.Generator().manual_seed(NOISE_SEED)
    noise = torch.randn(frames * hop_samples, generator=generator)
    noise = noise / (0.5 * math.sqrt(math.pi) * math.sqrt(0.375 * analysis_window))
    blocks = torch.cat([noise, noise[:n_fft]]).unfold(0, n_fft, hop_samples)[:frames]
    return torch.fft.rfft(blocks * torch.hann_window(n_fft))
