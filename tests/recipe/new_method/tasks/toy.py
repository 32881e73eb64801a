"""Training of the toy method: five updates of the estimator, then one of the model."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from ctaplib.data.batch import Batch, Entry
from ctaplib.data.dataset import SpeechSet
from ctaplib.data.transforms import Example
from ctaplib.losses.terms import Term
from ctaplib.models.abilities import Content
from ctaplib.models.decoder import DecoderTarget, draw_keys
from ctaplib.models.toy_model import ToyConfig, ToyModel
from ctaplib.runs.panels import Preview
from ctaplib.tasks.base import TaskPaths
from ctaplib.tasks.preview import preview_row
from ctaplib.tasks.schedule import Ramp, Schedule, constant
from ctaplib.tasks.settings import OptimConfig, TrainConfig
from ctaplib.tasks.speech import SpeechTask, SpeechTaskConfig
from ctaplib.tensors import length_mask

INNER = 5


class ToySchedule(Schedule):
    mel: Ramp = constant(1.0)
    speaker: Ramp = constant(0.1)
    bound: Ramp = Ramp(points=((0.0, 0.0), (0.5, 0.01)))


class ToyTrainConfig(TrainConfig):
    best: str = "mel"


class ToyTaskConfig(SpeechTaskConfig):
    model: ToyConfig = ToyConfig()
    schedule: ToySchedule = ToySchedule()
    train: ToyTrainConfig = ToyTrainConfig()
    estimator: OptimConfig = OptimConfig(lr=3e-3, warmup_steps=0, schedule="constant", betas=(0.5, 0.9), grad_clip=1.0)


class Encoded(NamedTuple):
    batch: Batch
    content: Content
    voice: torch.Tensor


class ToyTask(SpeechTask[ToyModel]):
    name = "toy"
    Config = ToyTaskConfig
    config: ToyTaskConfig
    labelled = False
    with_speakers = True
    optimizers = ("estimator", "model")
    metrics = ("mel",)

    def __init__(self, config: ToyTaskConfig, paths: TaskPaths, *, training: bool = True) -> None:
        super().__init__(config, paths, config.model.hop, training=training)
        torch.manual_seed(config.seed)
        self.model = ToyModel(config.model, len(self.speakers))
        if training:
            self.model.set_statistics(*self.statistics())

    def updates(self, step: int) -> Sequence[str]:
        return ("estimator",) * INNER + ("model",)

    def optim(self, optimizer: str) -> OptimConfig:
        return self.config.estimator if optimizer == "estimator" else self.config.optim

    def optimizer_parameters(self, optimizer: str) -> Iterable[torch.nn.Parameter]:
        estimator = set(self.model.estimator.parameters())
        return (p for p in self.model.parameters() if (p in estimator) == (optimizer == "estimator"))

    def weights(self, step: int, optimizer: str) -> dict[str, float]:
        return {"likelihood": 1.0} if optimizer == "estimator" else super().weights(step, optimizer)

    def extra(self, example: Example, source: SpeechSet, step: int) -> dict[str, Entry]:
        return {"speaker": np.array(self.speakers.get(source.speakers[example.utt], -1))}

    def shared(self, batch: Batch, step: int) -> Encoded:
        content = self.model.content(batch.mel, batch.mel_lengths, batch.f0_hz)
        return Encoded(batch, content, self.model.voice(batch.prompt, batch.prompt_lengths))

    def losses(self, batch: Any, step: int, optimizer: str) -> dict[str, Term]:
        batch, content, voice = batch
        model, mask = self.model, content.mask
        if optimizer == "estimator":
            likelihood = model.estimator.log_likelihood(content.speech.detach(), voice.detach())
            return {"likelihood": Term(-likelihood[mask].sum(), mask.sum())}
        bound = model.estimator.log_likelihood(content.speech, voice)
        bound = bound - model.estimator.log_likelihood(content.speech, voice.roll(1, 0))
        speakers = batch.extra["speaker"][:, None].expand(mask.shape)[mask]
        return {
            "mel": self._mel(batch, content, voice, step),
            "speaker": Term(F.cross_entropy(model.speakers(content)[mask], speakers, reduction="sum"), mask.sum()),
            "bound": Term(bound[mask].sum(), mask.sum()),
        }

    def _mel(self, batch: Batch, content: Content, voice: torch.Tensor, step: int) -> Term:
        mask = length_mask(batch.mel_lengths, batch.mel.shape[1])
        target = DecoderTarget(self.model.normalize(batch.mel), batch.f0_hz, mask)
        return self.model.decoder.loss(content, voice, target, draw_keys(batch.ids, self.config.seed, step)).mel

    def evaluate(self, batch: Batch) -> dict[str, Term]:
        return {"mel": self._mel(*self.shared(batch, 0), step=0)}

    def previews(self, batch: Batch) -> list[Preview]:
        _, content, voice = self.shared(batch, 0)
        mels = {"reconstructed": self.model.speak(content, voice, batch.ids).mel}
        return [preview_row(self, batch, row, mels) for row in range(len(batch.ids))]


TASK = ToyTask
