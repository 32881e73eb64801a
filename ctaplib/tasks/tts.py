"""Training of synthesis: the duration model and the sequence-aware semantic connector, all else frozen."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F

from ctaplib.data.dataset import Batch, Labelled
from ctaplib.errors import ConfigError
from ctaplib.files import read_table
from ctaplib.losses.reconstruction import duration_loss
from ctaplib.losses.terms import Term
from ctaplib.models.abilities import Content
from ctaplib.models.connector import Connector, ConnectorConfig, DurationConfig, DurationModel, Synthesis
from ctaplib.models.vqctap import VQCTAP
from ctaplib.nn.quantize import Quantizer
from ctaplib.phones import SILENCE
from ctaplib.runs.panels import Preview
from ctaplib.tasks.base import TaskPaths, load_task
from ctaplib.tasks.preview import array, basics, durations_panel
from ctaplib.tasks.schedule import Ramp, Schedule, constant
from ctaplib.tasks.speech import SpeechTask, SpeechTaskConfig
from ctaplib.tensors import at_least_float32, length_mask


class TTSSchedule(Schedule):
    """Weights of the terms."""

    duration: Ramp = constant(1.0)
    semantic: Ramp = constant(1.0)
    codes: Ramp = constant(0.5)


TERMS = tuple(TTSSchedule.model_fields)


class TTSConfig(SpeechTaskConfig):
    """Everything about synthesis."""

    duration: DurationConfig = DurationConfig()
    connector: ConnectorConfig = ConnectorConfig()
    condition: int = 96
    """Features of the global vector; taken from the pre-trained run."""
    schedule: TTSSchedule = TTSSchedule()


class TTSTask(SpeechTask[Synthesis]):
    """Needs `--init vqctap=RUN`."""

    name = "tts"
    inits = ("vqctap",)
    metrics = ("loss", *TERMS, "code_error_pct")
    Config = TTSConfig
    config: TTSConfig

    def __init__(self, config: TTSConfig, paths: TaskPaths, *, training: bool = True) -> None:
        if training:
            if "vqctap" not in paths.init:
                raise ConfigError("synthesis has no pre-trained model", fix="give --init vqctap=exp/vqctap")
            self.frozen: VQCTAP = load_task(paths.init["vqctap"], VQCTAP).model.requires_grad_(False)
            width = self.frozen.config.speech.stack.width
            stack = config.connector.stack.model_copy(update={"width": width})
            config = config.model_copy(
                update={"connector": ConnectorConfig(stack=stack), "condition": self.frozen.config.prompt.output}
            )
        super().__init__(config, paths, training=training)
        torch.manual_seed(config.seed)
        self.model = Synthesis(DurationModel(config.duration, len(self.tokens), config.condition), Connector(config.connector))

    def _open_sets(self) -> None:
        super()._open_sets()
        for part in (self.train, self.valid):
            path = self.paths.data / part.name / "phn2word"
            words = read_table(path) if path.exists() else {}
            silence = self.tokens.id(SILENCE)
            for utt in part.utts:
                part.labelled[utt] = with_pauses(part.labelled[utt], words.get(utt, "").split(), silence)

    def before_training(self, step: int) -> None:
        """Bring the frozen model to where the trained one is."""
        self.frozen.to(next(self.model.parameters())).eval()

    def losses(self, batch: Batch, step: int, optimizer: str) -> dict[str, Term]:
        """Durations in the log domain; S by mean square; codes by cross entropy over distances."""
        frozen = self.frozen
        with torch.no_grad():
            content = frozen.content(batch.mel, batch.mel_lengths)
            phonemes = frozen.phoneme_encoder(batch.phones, batch.durations, batch.mel_lengths, batch.mel.shape[1])
            prompt = frozen.prompt_encoder(frozen.normalize(batch.prompt), batch.prompt_lengths).mean
        mask, codes = content.mask, content.quantized.codes
        predicted = self.model.connector(phonemes, mask)
        logits = self._code_logits(predicted[mask])
        known = self._phone_mask(batch)
        durations = self.model.duration(batch.phones, known, prompt)
        square = ((predicted - at_least_float32(content.speech)) ** 2).mean(-1)
        return {
            "duration": duration_loss(durations, batch.durations, known, "l1"),
            "semantic": Term(square[mask].sum(), mask.sum()),
            "codes": Term(F.cross_entropy(logits, codes[mask], reduction="sum"), mask.sum()),
        }

    def _phone_mask(self, batch: Batch) -> torch.Tensor:
        lengths = torch.tensor([len(self._labelled(u).phones) for u in batch.ids], device=batch.phones.device)
        return length_mask(lengths, batch.phones.shape[1])

    def _labelled(self, utt: str) -> Labelled:
        return self.train.labelled[utt] if utt in self.train.labelled else self.valid.labelled[utt]

    def _code_logits(self, speech: torch.Tensor) -> torch.Tensor:
        return -self.model.log_sharpness.exp() * code_distances(self.frozen.quantizer, speech)

    def evaluate(self, batch: Batch) -> dict[str, Term]:
        """The terms, the share of codes that the connector misses, and the error of total length."""
        terms = self.losses(batch, self.config.train.max_steps, "model")
        frozen = self.frozen
        content = frozen.content(batch.mel, batch.mel_lengths)
        phonemes = frozen.phoneme_encoder(batch.phones, batch.durations, batch.mel_lengths, batch.mel.shape[1])
        codes = self._code_logits(self.model.connector(phonemes, content.mask)[content.mask]).argmax(-1)
        wrong = codes != content.quantized.codes[content.mask]
        return {**terms, "code_error_pct": Term(100.0 * wrong.sum(), float(len(wrong)))}

    def overall(self, values: Mapping[str, float]) -> dict[str, float]:
        """`loss`, which chooses the best checkpoint: the sum of the terms."""
        return {"loss": sum(values[t] for t in TERMS)}

    def previews(self, batch: Batch) -> list[Preview]:
        """Durations, and what the frozen decoder makes of the connector's codes at the true durations."""
        frozen = self.frozen
        phonemes = frozen.phoneme_encoder(batch.phones, batch.durations, batch.mel_lengths, batch.mel.shape[1])
        prompt = frozen.prompt_encoder(frozen.normalize(batch.prompt), batch.prompt_lengths).mean
        known, mask = self._phone_mask(batch), length_mask(batch.mel_lengths // 4, batch.mel.shape[1] // 4)
        lasts = torch.expm1(self.model.duration(batch.phones, known, prompt)).clamp_min(0.0)
        codes = frozen.quantizer.nearest(self.model.connector(phonemes, mask))
        spoken = frozen.mel_decoder(Content(frozen.quantizer.lookup(codes), mask), prompt, batch.ids)
        found = []
        for row, frames in enumerate(batch.mel_lengths.tolist()):
            stairs = durations_panel(batch.durations[row, known[row]], lasts[row, known[row]], self.features.hop_s)
            mels = {"from phonemes at the true durations": array(frozen.restore(spoken.mel[row, :frames]))}
            panels = {"durations": stairs}
            found.append(basics(self, batch, row, mels=mels, panels=panels, rebuilt=tuple(mels)))
        return found


def code_distances(quantizer: Quantizer, speech: torch.Tensor) -> torch.Tensor:
    """Squared distance of every frame to every code, where codes are compared: (rows, width) -> (rows, codes)."""
    with torch.autocast(speech.device.type, enabled=False):
        latent = quantizer.prepare(quantizer.project_in(at_least_float32(speech)))
        book = quantizer.vectors(torch.arange(quantizer.codebook_size, device=speech.device))
        return torch.cdist(latent, book).square()


def with_pauses(known: Labelled, words: Sequence[str], silence: int) -> Labelled:
    """Put a silence of no length at the ends and between words where there is none, so that pauses are learned.

    Args:
        known: Phones and durations of an utterance.
        words: Word of every spoken phone; without words, only the ends get silences.
        silence: Token of silence.
    """
    phones: list[int] = []
    durations: list[int] = []
    spoken = 0
    for phone, duration in zip(known.phones.tolist(), known.durations.tolist()):
        if phone != silence:
            new_word = spoken > 0 and spoken < len(words) and words[spoken] != words[spoken - 1]
            if (new_word or spoken == 0) and (not phones or phones[-1] != silence):
                phones.append(silence)
                durations.append(0)
            spoken += 1
        phones.append(phone)
        durations.append(duration)
    if phones[-1] != silence:
        phones.append(silence)
        durations.append(0)
    return Labelled(np.array(phones), np.array(durations), known.frame_labels, known.labels)


TASK = TTSTask
