"""Fine-tuning for conversion: mel decoder and prompt encoder are trained, the codes stay as they are."""

from collections.abc import Iterable

import torch

from ctaplib.data.batch import Batch
from ctaplib.losses.kl import kl_loss
from ctaplib.losses.terms import Term
from ctaplib.models.decoder import DecoderTarget, draw_keys
from ctaplib.models.vqctap import VQCTAP, VQCTAPConfig
from ctaplib.runs.panels import Preview
from ctaplib.tasks.base import TaskPaths
from ctaplib.tasks.load import load_source
from ctaplib.tasks.preview import preview_row
from ctaplib.tasks.schedule import Ramp, Schedule, constant
from ctaplib.tasks.settings import TrainConfig
from ctaplib.tasks.speech import SpeechTask, SpeechTaskConfig
from ctaplib.tasks.vqctap import ReconstructionLossConfig, voice_consistency
from ctaplib.tensors import length_mask


class VCSchedule(Schedule):
    """Weights of the terms."""

    mel: Ramp = constant(2.0)
    pitch: Ramp = constant(1.0)
    kl: Ramp = constant(1e-3)
    consistency: Ramp = constant(1.0)


class VCConfig(SpeechTaskConfig):
    """Settings of conversion and its fine-tuning."""

    model: VQCTAPConfig = VQCTAPConfig()
    """Sizes; taken from the pre-trained model."""
    loss: ReconstructionLossConfig = ReconstructionLossConfig()
    train: TrainConfig = TrainConfig(best="mel")
    schedule: VCSchedule = VCSchedule()


class VCTask(SpeechTask[VQCTAP]):
    """Fine-tuning of the decoders of the run that `--init pretrained=RUN` names; codes come from a frozen copy of it.

    Prompts may come from other utterances of the speaker (`draw.prompt_from`).
    """

    name = "vc"
    inits = ("pretrained",)
    metrics = tuple(VCSchedule.model_fields)
    Config = VCConfig
    config: VCConfig

    def __init__(self, config: VCConfig, paths: TaskPaths, *, training: bool = True) -> None:
        if training:
            self.frozen = load_source(self.name, paths, VQCTAP)
            config = config.model_copy(update={"model": self.frozen.config})
        hop, ctc_factor = config.model.speech.hop, config.model.phoneme_decoder.ctc_factor
        super().__init__(config, paths, hop, ctc_factor, training=training)
        self.noise_width = config.model.prompt.output
        self.model = VQCTAP(config.model, len(self.tokens), len(self.labels))
        if training:
            self.model.load_state_dict(self.frozen.state_dict())
            self.frozen.requires_grad_(False)
            self.model.requires_grad_(False)
            for parameter in self.optimizer_parameters("model"):
                parameter.requires_grad_(True)

    def optimizer_parameters(self, optimizer: str) -> Iterable[torch.nn.Parameter]:
        return (*self.model.mel_decoder.parameters(), *self.model.prompt_encoder.parameters())

    def losses(self, batch: Batch, step: int, optimizer: str) -> dict[str, Term]:
        """Compute reconstruction from codes and a prompt, and the consistency of the converted voice."""
        model, loss = self.model, self.config.loss
        mel, clip, f0_hz = self.target(batch)
        random, random_lengths = (batch.mel, batch.mel_lengths) if batch.random is None else (batch.random, batch.random_lengths)
        with torch.no_grad():
            content = self.frozen.content(batch.mel, batch.mel_lengths)
            random_content = self.frozen.content(random, random_lengths)
        noise = batch.noise if model.training else None
        prompt = model.prompt_encoder(clip, batch.prompt_lengths, noise)
        keys = draw_keys(batch.ids, self.config.seed, step)
        target = DecoderTarget(mel, f0_hz, length_mask(batch.mel_lengths, mel.shape[1]), loss.mel)
        decoded = model.mel_decoder.loss(content, prompt.sample, target, keys)
        predicted = decoded.output or model.mel_decoder(content, prompt.sample, keys)
        consistency = voice_consistency(model, prompt, predicted, batch, random_content, keys, loss.consistency)
        return {**decoded.terms, "kl": kl_loss(prompt.mean, prompt.log_variance), "consistency": consistency}

    def evaluate(self, batch: Batch) -> dict[str, Term]:
        """Compute the terms; `mel` chooses the best checkpoint."""
        return self.losses(batch, self.config.train.max_steps, "model")

    def previews(self, batch: Batch) -> list[Preview]:
        """Show reconstruction with the utterance's own prompt, and conversion to the voice of the next utterance."""
        model, shown = self.model, []
        content = self.frozen.content(batch.mel, batch.mel_lengths)
        voice = model.voice(batch.prompt, batch.prompt_lengths)
        own, other = (model.speak(content, v, batch.ids) for v in (voice, voice.roll(-1, 0)))
        for row in range(len(batch.ids)):
            target = batch.ids[(row + 1) % len(batch.ids)]
            mels = {"reconstructed from codes and prompt": own.mel, f"converted to the voice of {target}": other.mel}
            shown.append(preview_row(self, batch, row, mels, f0_hz=own.f0_hz))
        return shown


TASK = VCTask
