"""Pre-training of VQ-CTAP: every term of its loss, weighted by the schedule.

    L = sum_i w_i(progress) L_i,   i in contrastive, classify, ctc, ctc_start, mel, pitch, vq, kl, consistency

Source: VQ-CTAP (arXiv 2408.05758), model figure and abstract; see the losses for their equations. The CTC
and pitch terms are ours. Weights and schedule are not published: our choice, all settings.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from pydantic import Field

from ctaplib.config import Config
from ctaplib.data.batch import Batch
from ctaplib.data.labels import SILENCE_LABEL
from ctaplib.losses.consistency import ConsistencyConfig, consistency_loss
from ctaplib.losses.contrastive import ContrastiveConfig, contrastive_loss
from ctaplib.losses.kl import kl_loss
from ctaplib.losses.quantization import quantization_loss
from ctaplib.losses.reconstruction import Distance
from ctaplib.losses.sequence import ctc_loss, ctc_start_loss, frame_classification_loss
from ctaplib.losses.terms import Term
from ctaplib.models.abilities import CodedContent
from ctaplib.models.decoder import DecoderTarget, draw_keys
from ctaplib.models.prompt_encoder import Prompt
from ctaplib.models.vqctap import VQCTAP, VQCTAPConfig
from ctaplib.nn.codebook_use import UsageMeter
from ctaplib.runs.panels import Panel, Preview
from ctaplib.tasks.base import TaskPaths
from ctaplib.tasks.collapse import check_collapse
from ctaplib.tasks.error_rates import RECOGNITION_ERRORS, RecognitionTrainConfig, recognition_errors
from ctaplib.tasks.preview import array, posteriors, preview_row
from ctaplib.tasks.schedule import Ramp, Schedule, constant, draw_schedule
from ctaplib.tasks.speech import SpeechTask, SpeechTaskConfig
from ctaplib.tensors import length_mask

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class LossConfig(Config):
    """Settings of the terms."""

    contrastive: ContrastiveConfig = ContrastiveConfig()
    consistency: ConsistencyConfig = ConsistencyConfig(hold_prompt=True)
    mel: Distance = "l1"
    """Distance of the mel reconstruction (the paper's figure says mse; l1 is our choice)."""
    kl_margin: float = 0.0
    """Divergence without a cost, nats over all features of G."""


class VQCTAPSchedule(Schedule):
    """Reconstruction and code book first, then contrast and phones, then KL and consistency."""

    contrastive: Ramp = Ramp(points=((0.0, 0.0), (0.1, 1.0)))
    classify: Ramp = Ramp(points=((0.0, 0.2), (0.1, 1.0)))
    ctc: Ramp = Ramp(points=((0.05, 0.0), (0.2, 0.5)))
    ctc_start: Ramp = constant(0.0)
    mel: Ramp = Ramp(points=((0.0, 2.0), (0.5, 2.0), (1.0, 4.0)))
    pitch: Ramp = constant(1.0)
    vq: Ramp = constant(1.0)
    kl: Ramp = Ramp(points=((0.2, 0.0), (0.5, 1e-3)))
    consistency: Ramp = Ramp(points=((0.4, 0.0), (0.6, 0.5)))


class VQCTAPTaskConfig(SpeechTaskConfig):
    """Settings of the model and its pre-training."""

    RUNNING = SpeechTaskConfig.RUNNING | {"alarm_after", "min_usage_pct"}

    model: VQCTAPConfig = VQCTAPConfig()
    loss: LossConfig = LossConfig()
    schedule: VQCTAPSchedule = VQCTAPSchedule()
    alarm_after: float = Field(0.3, ge=0)
    """Progress, 0 to 1, from which a collapsed code book stops the run; above 1 for never."""
    min_usage_pct: float = Field(5.0, ge=0, le=100)
    """Smallest share of codes in use on the validation set, percent."""
    train: RecognitionTrainConfig = RecognitionTrainConfig()


class VQCTAPTask(SpeechTask[VQCTAP]):
    """Training of the whole model on labelled speech, a clip of it as prompt, and other speech."""

    name = "vqctap"
    Config = VQCTAPTaskConfig
    config: VQCTAPTaskConfig
    metrics = (*RECOGNITION_ERRORS, "mel", "pitch", "vq")

    def __init__(self, config: VQCTAPTaskConfig, paths: TaskPaths, *, training: bool = True) -> None:
        hop, ctc_factor = config.model.speech.hop, config.model.phoneme_decoder.ctc_factor
        super().__init__(config, paths, hop, ctc_factor, training=training)
        torch.manual_seed(config.seed)
        self.noise_width = config.model.prompt.output
        self.model = VQCTAP(config.model, len(self.tokens), len(self.labels))
        self.usage = UsageMeter(self.model.quantizer.codebook_size)
        if training:
            self.model.set_statistics(*self.statistics())

    def losses(self, batch: Batch, step: int, optimizer: str) -> dict[str, Term]:
        """Compute all terms; one of weight 0 is skipped, and the branch of other speech with the consistency term."""
        weights = self.weights(step, optimizer)
        model = self.model
        content = model.encode(self.encoder_input(batch), batch.mel_lengths)
        mel, clip, f0_hz = self.target(batch)
        terms = self._recognition_terms(batch, content, weights)
        terms["contrastive"] = self._contrast(batch, content) if weights["contrastive"] else _no_term(mel)
        prompt = model.prompt_encoder(clip, batch.prompt_lengths, batch.noise)
        keys = draw_keys(batch.ids, self.config.seed, step)
        target = DecoderTarget(mel, f0_hz, length_mask(batch.mel_lengths, mel.shape[1]), self.config.loss.mel)
        decoded = model.mel_decoder.loss(content, prompt.sample, target, keys)
        terms |= decoded.terms
        terms["kl"] = kl_loss(prompt.mean, prompt.log_variance, margin=self.config.loss.kl_margin)
        branches = [content]
        if batch.random is not None and weights["consistency"]:
            branches.append(model.encode(self.encoder_input(batch, "random"), batch.random_lengths))
        terms["vq"] = quantization_loss(*(b.quantized for b in branches))
        terms["consistency"] = _no_term(mel)
        if weights["consistency"]:
            predicted = decoded.output or model.mel_decoder(content, prompt.sample, keys)
            terms["consistency"] = self._consistency(prompt, predicted.mel, batch, branches[-1], keys)
        return terms

    def _recognition_terms(self, batch: Batch, content: CodedContent, weights: dict[str, float]) -> dict[str, Term]:
        none = {t: _no_term(batch.mel) for t in ("classify", "ctc", "ctc_start")}
        if not any(weights[t] for t in none):
            return none
        read = self.model.phoneme_decoder(content.quantized.quantized, content.mask)
        terms = {"classify": frame_classification_loss(read.classes, batch.frame_labels, content.mask)}
        terms["ctc"] = ctc_loss(read.ctc, read.ctc_lengths, batch.labels, batch.labels_lengths)
        if weights["ctc_start"]:
            terms["ctc_start"] = ctc_start_loss(read.ctc, batch.frame_labels, content.mask, SILENCE_LABEL)
        return {t: terms[t] if weights[t] else none[t] for t in none}

    def _contrast(self, batch: Batch, content: CodedContent) -> Term:
        phonemes = self.model.phoneme_encoder(batch.phones, batch.durations, batch.mel_lengths, batch.mel.shape[1])
        return contrastive_loss(
            content.speech,
            phonemes,
            content.mask,
            self.model.scale(),
            self.config.loss.contrastive,
            labels=batch.frame_labels,
            silence_label=SILENCE_LABEL,
        )

    def _consistency(
        self, prompt: Prompt, predicted: torch.Tensor, batch: Batch, other: CodedContent, keys: Sequence[str]
    ) -> Term:
        model = self.model
        of_target = model.prompt_encoder(predicted, batch.mel_lengths).mean
        lengths = batch.mel_lengths if batch.random is None else batch.random_lengths
        moved = model.mel_decoder(other, prompt.sample, draw_keys(keys, "random"))
        of_random = model.prompt_encoder(moved.mel, lengths).mean
        return consistency_loss(prompt.mean, of_target, of_random, self.config.loss.consistency)

    def after_step(self, step: int) -> None:
        """Update the code book."""
        self.model.quantizer.after_step(step)

    def evaluate(self, batch: Batch) -> dict[str, Term]:
        """Compute recognition errors, mel distance, pitch error and quantisation error."""
        model = self.model
        mel = model.normalize(batch.mel)
        content = model.encode(mel, batch.mel_lengths)
        self.usage.update(content.quantized.codes)
        read = model.phoneme_decoder(content.quantized.quantized, content.mask)
        prompt = model.prompt_encoder(model.normalize(batch.prompt), batch.prompt_lengths)
        target = DecoderTarget(mel, batch.f0_hz, length_mask(batch.mel_lengths, mel.shape[1]))
        decoded = model.mel_decoder.loss(content, prompt.mean, target, draw_keys(batch.ids, self.config.seed))
        return recognition_errors(read, batch) | decoded.terms | {"vq": quantization_loss(content.quantized)}

    def after_validation(self, step: int) -> dict[str, float]:
        """Return the code-book use in training since the last validation, and check that of the validation set for collapse."""
        trained = self.model.quantizer.use()[0].metrics()
        self.model.quantizer.reset_use()
        use = self.usage.use_over_ranks(self.model.mel_mean.device)
        self.usage = UsageMeter(self.model.quantizer.codebook_size)
        if step >= self.config.alarm_after * self.config.train.max_steps:
            check_collapse(use, step=step, min_usage_pct=self.config.min_usage_pct)
        return use.metrics() | {f"train_{n}": v for n, v in trained.items()}

    def discard_pending(self) -> None:
        """Discard the counts of a trial of the validation as well."""
        super().discard_pending()
        self.usage = UsageMeter(self.model.quantizer.codebook_size)

    def previews(self, batch: Batch) -> list[Preview]:
        """Show reconstruction with the utterance's own prompt, posteriors, similarity of S and P, pitch."""
        model = self.model
        content = model.content(batch.mel, batch.mel_lengths)
        read = model.read(content)
        phonemes = model.phonemes(batch.phones, batch.durations, batch.mel_lengths, batch.mel.shape[1])
        output = model.speak(content, model.voice(batch.prompt, batch.prompt_lengths), batch.ids)
        found = []
        for row, frames in enumerate(batch.mel_lengths.tolist()):
            rows, columns = (F.normalize(x[row, : frames // self.hop].float(), dim=-1) for x in (phonemes, content.speech))
            panels = {
                "phone posteriors": posteriors(self, read.classes[row], batch, row),
                "similarity of phoneme frames (up) and speech frames": Panel(array(rows @ columns.T)),
            }
            mels = {"reconstructed from codes and prompt": output.mel}
            found.append(preview_row(self, batch, row, mels, panels, output.f0_hz))
        return found

    def figures(self) -> dict[str, "Figure"]:
        """Plot the schedule."""
        return {"schedule": draw_schedule(self.config.schedule, self.config.train.max_steps)}


def _no_term(like: torch.Tensor) -> Term:
    """Return a term that counts nothing."""
    return Term(like.new_zeros(()), 0.0)


TASK = VQCTAPTask
