"""Segments of waveforms beside their log-mel and F0, for models that make waveforms."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field

from ctaplib.audio.files import read_audio
from ctaplib.config import Config
from ctaplib.data.batching import BatchConfig
from ctaplib.data.dataset import SpeechSet
from ctaplib.data.transforms import keyed_rng
from ctaplib.errors import AudioError, DataError
from ctaplib.files import read_table
from ctaplib.tensors import pad_stack


class SegmentConfig(Config):
    """Length of training segments and disturbance of their mel."""

    segment_s: float = Field(0.8, gt=0)
    """Length of a training segment, seconds."""
    blur: float = Field(0.0, ge=0, le=1)
    """Largest share that neighbouring bands and frames take in the input mel, 0 to 1."""
    blur_chance: float = Field(0.5, ge=0, le=1)
    """Share of segments that are blurred."""
    noise: float = Field(0.0, ge=0)
    """Largest deviation of noise added to the input mel, natural logarithm."""
    noise_frames: int = Field(400, ge=1)
    """Frames among which the start of the model's own noise is chosen."""


@dataclass(frozen=True)
class WaveBatch:
    """Segments or utterances; T * hop samples belong to T frames.

    Attributes:
        wave: (B, T * hop) natural speech, 0 at padding.
        mel: (B, T, n_mels) input log-mel.
        f0_hz: (B, T), 0 where unvoiced.
        lengths: (B,) valid frames.
        noise_start: (B,) where the model's own noise starts, frames.
        frames: Sum of `lengths`, known without asking a device.
    """

    wave: torch.Tensor
    mel: torch.Tensor
    f0_hz: torch.Tensor
    lengths: torch.Tensor
    noise_start: torch.Tensor
    frames: int = 0
    ids: tuple[str, ...] = ()


class WaveSet(SpeechSet):
    """The utterances of one set with their waveforms."""

    @cached_property
    def waves(self) -> dict[str, str]:
        """The audio file of every utterance."""
        return read_table(self._dump / "wav.scp")

    def _outside(self, utt: str, frames: int, limits: BatchConfig) -> str:
        return super()._outside(utt, frames, limits) or ("" if utt in self.waves else "not in wav.scp")

    def cut(self, utt: str, start: int, frames: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Read a wave (frames * hop,), log-mel (frames, n_mels) and F0 (frames,) from frame `start`.

        Raises:
            DataError: the audio cannot be read, or is shorter than its features say.
        """
        features = self.rates.features
        hop_s, samples = features.hop_s, frames * features.hop_samples
        try:
            wave, _ = read_audio(self.waves[utt], start_s=start * hop_s, end_s=(start + frames) * hop_s)
            fault = "" if len(wave) == samples else f"{self.waves[utt]} ends too early"
        except AudioError as error:
            fault = error.found
        if fault:
            expected = f"audio of {self.store.length(utt)} frames, as its features say"
            raise DataError(f"{utt}: {fault}", expected=expected, fix="make the features again")
        mel, f0 = (np.array(s[utt][start : start + frames]) for s in (self.store, self.pitch))
        return torch.from_numpy(wave), torch.from_numpy(mel), torch.from_numpy(f0)

    def whole(self, items: Sequence[int]) -> WaveBatch:
        """Return whole utterances, undisturbed."""
        utts = [self.utts[i] for i in items]
        return _stack(utts, [self.cut(utt, 0, self.store.length(utt)) for utt in utts], [0] * len(utts))

    def segments(self, items: Sequence[int], config: SegmentConfig, seed: int, step: int) -> WaveBatch:
        """Cut a random segment from each utterance, keyed by seed, step and utterance."""
        longest = round(config.segment_s / self.rates.features.hop_s)
        rows, starts, utts = [], [], [self.utts[i] for i in items]
        for utt in utts:
            rng, length = keyed_rng(seed, step, utt), self.store.length(utt)
            frames = min(longest, length)
            start = int(rng.integers(length - frames + 1))
            starts.append(int(rng.integers(config.noise_frames)))
            wave, mel, f0 = self.cut(utt, start, frames)
            rows.append((wave, disturb(mel, config, rng), f0))
        return _stack(utts, rows, starts)


def disturb(mel: torch.Tensor, config: SegmentConfig, rng: np.random.Generator) -> torch.Tensor:
    """Blur a mel (T, n_mels) and add noise, as in predicted mel, which the vocoder meets in use."""
    chance, across, along, level = rng.uniform(0.0, 1.0, 4).tolist()
    if config.blur > 0 and chance < config.blur_chance:
        time, bands = (torch.tensor([s / 2, 1 - s, s / 2]) for s in (along * config.blur, across * config.blur))
        padded = F.pad(mel[None, None], (1, 1, 1, 1), mode="replicate")
        mel = F.conv2d(padded, torch.outer(time, bands)[None, None])[0, 0]
    if config.noise > 0:
        mel = mel + level * config.noise * torch.from_numpy(rng.standard_normal(mel.shape, dtype=np.float32))
    return mel


def _stack(
    utts: Sequence[str], rows: Sequence[tuple[torch.Tensor, torch.Tensor, torch.Tensor]], starts: Sequence[int]
) -> WaveBatch:
    waves, mels, f0s = zip(*rows)
    mel, lengths = pad_stack(mels)
    frames = int(lengths.sum())
    return WaveBatch(pad_stack(waves)[0], mel, pad_stack(f0s)[0], lengths, torch.tensor(starts), frames, tuple(utts))
