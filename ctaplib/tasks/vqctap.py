"""Pre-training of VQ-CTAP: every term of its loss, weighted by the schedule.

    L = sum_i w_i(progress) L_i,   i in contrastive, classify, ctc, ctc_start, mel, pitch, vq, kl, consistency

Source: VQ-CTAP (arXiv 2408.05758), model figure and abstract; see the losses for their equations. The CTC
and pitch terms are ours. Weights and schedule are not published: our choice, all settings.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch.nn.functional as F
from pydantic import Field

from ctaplib.config import Config
from ctaplib.data.batch import Batch
from ctaplib.data.labels import SILENCE_LABEL
from ctaplib.errors import CollapseError
from ctaplib.losses.consistency import ConsistencyConfig, consistency_loss
from ctaplib.losses.contrastive import ContrastiveConfig, contrastive_loss
from ctaplib.losses.kl import kl_loss
from ctaplib.losses.quantization import quantization_loss
from ctaplib.losses.reconstruction import Distance
from ctaplib.losses.terms import Term
from ctaplib.models.abilities import CodedContent, Content, DecoderOutput
from ctaplib.models.decoder import DecoderTarget, draw_keys
from ctaplib.models.prompt_encoder import Prompt
from ctaplib.models.vqctap import VQCTAP, VQCTAPConfig
from ctaplib.nn.codebook_use import CodebookUse, UsageMeter
from ctaplib.runs.panels import Panel, Preview
from ctaplib.tasks.base import TaskPaths
from ctaplib.tasks.error_rates import RECOGNITION_ERRORS, recognition_errors, recognition_terms
from ctaplib.tasks.preview import array, posteriors, preview_row
from ctaplib.tasks.schedule import Ramp, Schedule, constant, draw_schedule
from ctaplib.tasks.settings import TrainConfig
from ctaplib.tasks.speech import SpeechTask, SpeechTaskConfig
from ctaplib.tensors import length_mask

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MIN_PERPLEXITY_PCT = 1.0


class ReconstructionLossConfig(Config):
    """Settings of the terms of the decoder's output."""

    mel: Distance = "l1"
    """Distance of the mel reconstruction (the paper's figure says mse; l1 is our choice)."""
    consistency: ConsistencyConfig = ConsistencyConfig(hold_prompt=True)


class LossConfig(ReconstructionLossConfig):
    """Settings of the terms."""

    contrastive: ContrastiveConfig = ContrastiveConfig()
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
    train: TrainConfig = TrainConfig(best="per_ctc")


class VQCTAPTask(SpeechTask[VQCTAP]):
    """Training of the whole model on labelled speech, a clip of it as prompt, and other speech."""

    name = "vqctap"
    Config = VQCTAPTaskConfig
    config: VQCTAPTaskConfig
    metrics = (*RECOGNITION_ERRORS, "mel", "pitch", "vq")

    def __init__(self, config: VQCTAPTaskConfig, paths: TaskPaths, *, training: bool = True) -> None:
        hop, ctc_factor = config.model.speech.hop, config.model.phoneme_decoder.ctc_factor
        super().__init__(config, paths, hop, ctc_factor, training=training)
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
        terms["contrastive"] = self._contrast(batch, content) if weights["contrastive"] else Term.none(mel)
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
        terms["consistency"] = Term.none(mel)
        if weights["consistency"]:
            predicted = decoded.output or model.mel_decoder(content, prompt.sample, keys)
            config = self.config.loss.consistency
            terms["consistency"] = voice_consistency(model, prompt, predicted, batch, branches[-1], keys, config)
        return terms

    def _recognition_terms(self, batch: Batch, content: CodedContent, weights: dict[str, float]) -> dict[str, Term]:
        none = dict.fromkeys(("classify", "ctc", "ctc_start"), Term.none(batch.mel))
        if not any(weights[t] for t in none):
            return none
        read = self.model.phoneme_decoder(content.quantized.quantized, content.mask)
        terms = recognition_terms(read, batch, content.mask, with_start=weights["ctc_start"] > 0)
        return {t: terms[t] if weights[t] else none[t] for t in none}

    def _contrast(self, batch: Batch, content: CodedContent) -> Term:
        phonemes = self.model.phoneme_encoder(batch.phones, batch.durations, batch.mel_lengths, batch.mel.shape[1])
        scale, config = self.model.scale(), self.config.loss.contrastive
        return contrastive_loss(
            content.speech, phonemes, content.mask, scale, config, labels=batch.frame_labels, silence_label=SILENCE_LABEL
        )

    def after_step(self, step: int) -> None:
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
        shown = []
        for row, frames in enumerate(batch.mel_lengths.tolist()):
            rows, columns = (F.normalize(x[row, : frames // self.hop].float(), dim=-1) for x in (phonemes, content.speech))
            panels = {
                "phone posteriors": posteriors(self, read.classes[row], batch, row),
                "similarity of phoneme frames (up) and speech frames": Panel(array(rows @ columns.T)),
            }
            shown.append(preview_row(self, batch, row, {"reconstructed from codes and prompt": output.mel}, panels, output.f0_hz))
        return shown

    def figures(self) -> dict[str, "Figure"]:
        return {"schedule": draw_schedule(self.config.schedule, self.config.train.max_steps)}


def voice_consistency(
    model: VQCTAP,
    prompt: Prompt,
    predicted: DecoderOutput,
    batch: Batch,
    other: Content,
    keys: Sequence[str],
    config: ConsistencyConfig,
) -> Term:
    """Compute the consistency of a prompt's voice with those of the reconstruction and of `other` content decoded in it.

    `other` is the content of the clips of other speech, or of the batch itself where there are none.
    """
    of_target = model.prompt_encoder(predicted.mel, batch.mel_lengths).mean
    lengths = batch.mel_lengths if batch.random is None else batch.random_lengths
    moved = model.mel_decoder(other, prompt.sample, draw_keys(keys, "random"))
    return consistency_loss(prompt.mean, of_target, model.prompt_encoder(moved.mel, lengths).mean, config)


def check_collapse(use: CodebookUse, *, step: int, min_usage_pct: float = 5.0) -> None:
    """Stop a run whose codebook has collapsed.

    Raises:
        CollapseError: a smaller percentage of the codes is in use, or the perplexity is below `MIN_PERPLEXITY_PCT` of their
            number; with fewer frames than codes, of the number of frames.
    """
    if use.frames == 0:
        return
    codes = len(use.counts)
    reachable = min(codes, use.frames)
    usage_pct = use.usage_pct * codes / reachable
    perplexity_pct = 100.0 * use.perplexity / reachable
    if usage_pct >= min_usage_pct and perplexity_pct >= MIN_PERPLEXITY_PCT:
        return
    raise CollapseError(
        f"the codebook has collapsed at step {step}: {use.usage_pct:.1f} % of {codes} codes are used, perplexity "
        f"{use.perplexity:.1f} over {use.frames} frames",
        expected=f"at least {min_usage_pct:g} % of the codes used, and a perplexity of at least {MIN_PERPLEXITY_PCT:g} % of "
        "their number",
        fix="lower the learning rate or the weight of the vq term, raise restart_threshold or lower restart_every_steps, "
        "set a smaller code_dim, or choose another quantizer (fsq has no codebook to lose, normalized keeps more codes "
        "in use than ema)",
    )


TASK = VQCTAPTask
