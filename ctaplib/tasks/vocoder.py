"""Training of the vocoder: spectral distances first, a discriminator late.

Segments are cut at random from the waveforms of `dump/<set>/wav.scp`. The generator's sources follow the F0 of `f0.scp`
at first, and from `read_f0_from` on the F0 that the generator predicts from the mel, as in inference.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import nn

from ctaplib.audio.features import log_mel, mel_filterbank
from ctaplib.audio.settings import read_feature_config
from ctaplib.config import Config
from ctaplib.data.waves import SegmentConfig, WaveBatch, WaveSet
from ctaplib.files import make_folder
from ctaplib.losses.adversarial import feature_matching, hinge_discriminator, hinge_generator
from ctaplib.losses.spectral import distance, log_distance
from ctaplib.losses.terms import Term
from ctaplib.models.vocoder import Vocoder, VocoderConfig, VocoderOutput
from ctaplib.models.vocoder_discriminator import Discriminator, DiscriminatorConfig
from ctaplib.nn.stft import stft_magnitude
from ctaplib.runs.panels import Preview
from ctaplib.tasks.base import SetTask, TaskPaths
from ctaplib.tasks.preview import array, pitch
from ctaplib.tasks.schedule import Ramp, Schedule, constant
from ctaplib.tasks.settings import TaskConfig
from ctaplib.tensors import length_mask

GENERATOR_TERMS = ("convergence", "log_magnitude", "mel", "f0", "voicing")
ADVERSARIAL_TERMS = ("adversarial", "feature_matching")


class SpectralConfig(Config):
    """Short-time spectra in the loss, besides that of the front end."""

    resolutions: tuple[tuple[int, int], ...] = ((2048, 512), (512, 128))
    """Transform length and hop, samples."""
    floor: float = Field(3e-3, gt=0)
    """Magnitude below which differences fade out (full scale is 1)."""


class VocoderSchedule(Schedule):
    """Weights of the terms; the generator's first, then the discriminator's own and those that need a discriminator."""

    convergence: Ramp = constant(1.0)
    log_magnitude: Ramp = constant(1.0)
    mel: Ramp = constant(1.0)
    f0: Ramp = constant(0.3)
    voicing: Ramp = constant(0.3)
    discriminator: Ramp = constant(0.0)
    adversarial: Ramp = constant(0.0)
    feature_matching: Ramp = constant(0.0)


class VocoderTaskConfig(TaskConfig):
    """Everything about the training of the vocoder."""

    model: VocoderConfig = VocoderConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    segment: SegmentConfig = SegmentConfig()
    spectral: SpectralConfig = SpectralConfig()
    valid_utts: int = Field(24, ge=1)
    """Number of validation utterances, evenly spread over the set."""
    read_f0_from: float = Field(0.5, ge=0, le=1)
    """Progress, 0 to 1, from which the sources follow the predicted F0."""
    schedule: VocoderSchedule = VocoderSchedule()
    """Weight of every term; the discriminator is not trained while its weight is 0."""


class VocoderPair(nn.Module):
    """Generator and discriminator, saved together."""

    def __init__(self, generator: Vocoder, discriminator: Discriminator) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator


class VocoderTask(SetTask):
    """Mel spectrogram to waveform."""

    name = "vocoder"
    Config = VocoderTaskConfig
    config: VocoderTaskConfig
    model: VocoderPair
    train: WaveSet
    valid: WaveSet
    optimizers = ("discriminator", "generator")
    metrics = ("loss", "convergence", "log_magnitude", "mel", "f0_error_st", "voicing_error_pct")

    def __init__(self, config: VocoderTaskConfig, paths: TaskPaths, *, training: bool = True) -> None:
        super().__init__(config, paths, training=training)
        self._header = (paths.dump / paths.train_set if training else paths.exp) / "features.yaml"
        self.features = read_feature_config(self._header)
        mean, std = map(torch.from_numpy, self.statistics()) if training else (None, None)
        self.model = VocoderPair(Vocoder(config.model, self.features, mean, std), Discriminator(config.discriminator))
        self._bank = torch.from_numpy(mel_filterbank(self.features).copy())
        if training:
            make_folder(paths.exp)
            self.train, self.valid = (
                WaveSet(paths.data, paths.dump, name, None, hop=1, limits=config.batch, report=paths.exp / f"left_out_{part}.tsv")
                for name, part in ((paths.train_set, "train"), (paths.valid_set, "valid"))
            )

    def assets(self) -> dict[str, Path]:
        return {"features.yaml": self._header}

    def train_plan(self, epoch: int) -> list[list[int]]:
        """Shuffle the utterances and cut them into batches of equally many segments; the rest at the end is skipped."""
        size = max(self.config.batch.min_items, round(self.config.batch.batch_s / self.config.segment.segment_s))
        order = np.random.default_rng((self.config.seed, epoch)).permutation(len(self.train.utts)).tolist()
        while len(order) < size:
            order += order
        return [order[i : i + size] for i in range(0, len(order) - size + 1, size)]

    def item_frames(self, items: Sequence[int]) -> list[int]:
        return [round(self.config.segment.segment_s * self.features.frames_per_s) for _ in items]

    def valid_plan(self) -> list[list[int]]:
        """Plan batches of four of similar lengths, of utterances evenly spread over the set."""
        count = min(self.config.valid_utts, len(self.valid.utts))
        chosen = sorted({i * len(self.valid.utts) // count for i in range(count)})
        chosen.sort(key=lambda i: self.valid.lengths[i])
        return [chosen[i : i + 4] for i in range(0, len(chosen), 4)]

    def load(self, split: str, items: Sequence[int], step: int) -> WaveBatch:
        """Cut a segment of each utterance; validation takes whole utterances."""
        if split == "train":
            return self.train.segments(items, self.config.segment, self.config.seed, step)
        return self.valid.whole(items)

    def optimizer_parameters(self, optimizer: str) -> Iterable[nn.Parameter]:
        return getattr(self.model, optimizer).parameters()

    def weights(self, step: int, optimizer: str) -> dict[str, float]:
        """Compute the weight of every term of an optimizer; adversarial terms only while one of them is above 0."""
        weights = self.config.schedule.weights(step / self.config.train.max_steps)
        if optimizer == "discriminator":
            return {"discriminator": weights["discriminator"]}
        adversarial = any(weights[t] > 0 for t in ADVERSARIAL_TERMS)
        return {t: weights[t] for t in GENERATOR_TERMS + (ADVERSARIAL_TERMS if adversarial else ())}

    def updates(self, step: int) -> tuple[str, ...]:
        """Return both, or the generator alone while the weight of the discriminator is 0."""
        return self.optimizers if self.weights(step, "discriminator")["discriminator"] else ("generator",)

    def shared(self, batch: WaveBatch, step: int) -> tuple[WaveBatch, VocoderOutput]:
        """Generate the waves for both updates, from the F0 of the features or, later, the predicted F0."""
        given = step < self.config.read_f0_from * self.config.train.max_steps
        f0 = batch.f0_hz if given else None
        return batch, self.model.generator(batch.mel, batch.lengths, f0, batch.noise_start)

    def losses(self, batch: tuple[WaveBatch, VocoderOutput], step: int, optimizer: str) -> dict[str, Term]:
        segments, output = batch
        discriminator = self.model.discriminator
        samples = segments.lengths * self.features.hop_samples
        if optimizer == "discriminator":
            natural, made = discriminator(segments.wave), discriminator(output.wave.detach())
            parts = [hinge_discriminator(n.scores, m.scores, samples // n.hop) for n, m in zip(natural, made)]
            return {"discriminator": _join(parts, [n.hop for n in natural])}
        terms = self._spectral(output.wave, segments) | self._pitch(output, segments)
        if ADVERSARIAL_TERMS[0] not in self.weights(step, optimizer):
            return terms
        discriminator.requires_grad_(False)
        made = discriminator(output.wave)
        with torch.no_grad():
            natural = discriminator(segments.wave)
        discriminator.requires_grad_(True)
        hops = [m.hop for m in made]
        terms["adversarial"] = _join([hinge_generator(m.scores, samples // m.hop) for m in made], hops)
        parts = [feature_matching(n.layers, m.layers, samples // m.hop) for n, m in zip(natural, made)]
        terms["feature_matching"] = _join(parts, hops)
        return terms

    def _spectral(self, made: torch.Tensor, batch: WaveBatch) -> dict[str, Term]:
        features, floor = self.features, self.config.spectral.floor
        own = (features.fft_size, features.hop_samples, features.window_samples)
        others = [(n_fft, hop, n_fft) for n_fft, hop in self.config.spectral.resolutions]
        near, far = [], []
        mel: list[Term] = []
        for n_fft, hop, window in (own, *others):
            ours = stft_magnitude(made, n_fft, hop, floor, window)
            with torch.no_grad():
                true = stft_magnitude(batch.wave, n_fft, hop, floor, window)
            frames = batch.lengths * features.hop_samples // hop
            convergence, logs = distance(ours, true, frames)
            near.append(convergence)
            far.append(logs)
            if not mel:
                self._bank = self._bank.to(ours)
                mel.append(log_distance(ours @ self._bank, true @ self._bank, frames))
        hops = [hop for _, hop, _ in (own, *others)]
        return {"convergence": _join(near, [1] * len(near)), "log_magnitude": _join(far, hops), "mel": mel[0]}

    def _pitch(self, output: VocoderOutput, batch: WaveBatch) -> dict[str, Term]:
        """Compute the cross-entropy of F0 over voiced frames and the binary cross-entropy of voicing over all."""
        valid = length_mask(batch.lengths, batch.f0_hz.shape[1])
        voiced = (batch.f0_hz > 0) & valid
        targets = self.model.generator.f0_reader.targets(batch.f0_hz[voiced])
        missed = -(targets * output.f0_logits[voiced].log_softmax(-1)).sum()
        flags = F.binary_cross_entropy_with_logits(output.voiced_logit, voiced.to(output.voiced_logit.dtype), reduction="none")
        return {"f0": Term(missed, voiced.sum()), "voicing": Term((flags * valid).sum(), valid.sum())}

    def evaluate(self, batch: WaveBatch) -> dict[str, Term]:
        """Compute distances of resynthesis with predicted F0, the F0 error in semitones, and voicing errors in percent.

        `loss`, which chooses the best checkpoint, is the distance of log magnitudes.
        """
        generator = self.model.generator
        output = generator(batch.mel, batch.lengths)
        terms = self._spectral(generator.correction(output.wave, batch.mel, batch.lengths), batch)
        valid = length_mask(batch.lengths, batch.f0_hz.shape[1])
        both = (batch.f0_hz > 0) & (output.f0_hz > 0) & valid
        ratio = torch.log2(output.f0_hz[both] / batch.f0_hz[both])
        wrong = ((batch.f0_hz > 0) != (output.f0_hz > 0)) & valid
        return {
            "loss": terms["log_magnitude"],
            **terms,
            "f0_error_st": Term((12 * ratio.abs()).clamp_max(12.0).sum(), both.sum()),
            "voicing_error_pct": Term(100.0 * wrong.sum(), valid.sum()),
        }

    def previews(self, batch: WaveBatch) -> list[Preview]:
        """Resynthesise natural mel: audio, spectrogram, predicted F0."""
        output, hop_s, hop = self.model.generator(batch.mel, batch.lengths), self.features.hop_s, self.features.hop_samples
        shown = []
        for row, frames in enumerate(batch.lengths.tolist()):
            made = array(output.wave[row, : frames * hop])
            mels = {"target": array(batch.mel[row, :frames]), "of the resynthesised wave": log_mel(made, self.features)}
            panels = {"pitch": pitch(batch.f0_hz[row, :frames], output.f0_hz[row, :frames], hop_s)}
            waves = {"original": array(batch.wave[row, : frames * hop]), "resynthesised": made}
            shown.append(Preview(batch.ids[row], frames * hop_s, mels, panels=panels, waves=waves))
        return shown


def _join(terms: Sequence[Term], hops: Sequence[int]) -> Term:
    """Sum the terms of several resolutions; each frame has the weight of the samples of its hop."""
    total = torch.stack([h * t.total for h, t in zip(hops, terms)]).sum()
    return Term(total, torch.stack([h * torch.as_tensor(t.count) for h, t in zip(hops, terms)]).sum())


TASK = VocoderTask
