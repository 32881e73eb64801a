"""Training of synthesis: a duration model and the sequence-aware semantic connector beside a frozen model."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F

from ctaplib.data.batch import Batch
from ctaplib.files import read_table
from ctaplib.losses.reconstruction import duration_loss
from ctaplib.losses.terms import Term
from ctaplib.models.abilities import Content
from ctaplib.models.connector import Connector, ConnectorConfig, DurationConfig, DurationModel, Synthesis
from ctaplib.nn.quantize import Quantizer
from ctaplib.phones import SILENCE
from ctaplib.runs.panels import Preview
from ctaplib.tasks.base import TaskPaths
from ctaplib.tasks.load import load_source
from ctaplib.tasks.preview import durations_panel, preview_row
from ctaplib.tasks.schedule import Ramp, Schedule, constant
from ctaplib.tasks.speech import SpeechTask, SpeechTaskConfig
from ctaplib.tensors import at_least_float32, length_mask


class TTSSchedule(Schedule):
    """Weights of the terms."""

    duration: Ramp = constant(1.0)
    semantic: Ramp = constant(1.0)
    codes: Ramp = constant(0.5)


Phone = TypeVar("Phone", int, str)
TERMS = tuple(TTSSchedule.model_fields)


class TTSConfig(SpeechTaskConfig):
    """Settings of synthesis and its training."""

    duration: DurationConfig = DurationConfig()
    connector: ConnectorConfig = ConnectorConfig()
    condition: int = 96
    """Features of a voice; taken from the pre-trained model."""
    hop: int = 4
    """Feature frames in one content frame; taken from the pre-trained model."""
    schedule: TTSSchedule = TTSSchedule()


class TTSTask(SpeechTask[Synthesis]):
    """Synthesis beside a frozen model, which `--init pretrained=RUN` names."""

    name = "tts"
    inits = ("pretrained",)
    metrics = ("loss", *TERMS, "code_error_pct")
    Config = TTSConfig
    config: TTSConfig

    def __init__(self, config: TTSConfig, paths: TaskPaths, *, training: bool = True) -> None:
        if training:
            self.frozen = load_source(self.name, paths, abilities=("codes", "phonemes", "voice", "speak"))
            stack = config.connector.stack.model_copy(update={"width": self.frozen.quantizer.input_dim})
            config = config.model_copy(update={"connector": ConnectorConfig(stack=stack), "hop": self.frozen.hop})
        super().__init__(config, paths, config.hop, training=training)
        if training:
            self.frozen.requires_grad_(False)
            second = round(self.features.frames_per_s)
            voice = self.frozen.voice(torch.zeros(1, second, self.features.n_mels), torch.tensor([second]))
            self.config = config = config.model_copy(update={"condition": voice.shape[1]})
        torch.manual_seed(config.seed)
        self.model = Synthesis(DurationModel(config.duration, len(self.tokens), config.condition), Connector(config.connector))

    def _open_sets(self) -> None:
        super()._open_sets()
        for part in (self.train, self.valid):
            path = self.paths.data / part.name / "phn2word"
            words = read_table(path) if path.exists() else {}
            for utt in part.utts:
                own = part.labelled[utt]
                spans = list(zip(own.phones.tolist(), own.durations.tolist()))
                phones, durations = zip(*with_pauses(spans, words.get(utt, "").split(), self.tokens.id(SILENCE)))
                part.labelled[utt] = replace(own, phones=np.array(phones), durations=np.array(durations))

    def losses(self, batch: Batch, step: int, optimizer: str) -> dict[str, Term]:
        """Compute durations in the log domain, S by mean square, and codes by cross entropy over distances."""
        return self._terms(batch)[0]

    def _terms(self, batch: Batch) -> tuple[dict[str, Term], torch.Tensor]:
        """Compute the terms, and which codes are wrong: (valid content frames,) bool."""
        with torch.no_grad():
            content = self.frozen.content(batch.mel, batch.mel_lengths, batch.f0_hz)
            phonemes = self.frozen.phonemes(batch.phones, batch.durations, batch.mel_lengths, batch.mel.shape[1])
            voice = self.frozen.voice(batch.prompt, batch.prompt_lengths)
        mask, codes = content.mask, content.codes[content.mask]
        predicted = self.model.connector(phonemes, mask)
        logits = -self.model.log_sharpness.exp() * code_distances(self.frozen.quantizer, predicted[mask])
        known = length_mask(batch.phones_lengths, batch.phones.shape[1])
        durations = self.model.duration(batch.phones, known, voice)
        square = ((predicted - at_least_float32(content.speech)) ** 2).mean(-1)
        terms = {
            "duration": duration_loss(durations, batch.durations, known),
            "semantic": Term(square[mask].sum(), mask.sum()),
            "codes": Term(F.cross_entropy(logits, codes, reduction="sum"), mask.sum()),
        }
        return terms, logits.argmax(-1) != codes

    def evaluate(self, batch: Batch) -> dict[str, Term]:
        """Compute the terms and the share of codes that the connector misses, in percent."""
        terms, wrong = self._terms(batch)
        return {**terms, "code_error_pct": Term(100.0 * wrong.sum(), float(len(wrong)))}

    def overall(self, values: Mapping[str, float]) -> dict[str, float]:
        """Compute `loss`, which chooses the best checkpoint: the sum of the terms."""
        return {"loss": sum(values[t] for t in TERMS)}

    def previews(self, batch: Batch) -> list[Preview]:
        """Show durations, and the frozen decoder's output for the connector's codes at the true durations."""
        frozen = self.frozen
        phonemes = frozen.phonemes(batch.phones, batch.durations, batch.mel_lengths, batch.mel.shape[1])
        voice = frozen.voice(batch.prompt, batch.prompt_lengths)
        known = length_mask(batch.phones_lengths, batch.phones.shape[1])
        mask = length_mask(batch.mel_lengths // self.hop, batch.mel.shape[1] // self.hop)
        durations = torch.expm1(self.model.duration(batch.phones, known, voice)).clamp_min(0.0)
        codes = frozen.quantizer.nearest(self.model.connector(phonemes, mask))
        output = frozen.speak(Content(frozen.quantizer.lookup(codes), mask), voice, batch.ids)
        found = []
        for row in range(len(batch.ids)):
            stairs = durations_panel(batch.durations[row, known[row]], durations[row, known[row]], self.features.hop_s)
            mels = {"from phonemes at the true durations": output.mel}
            found.append(preview_row(self, batch, row, mels, {"durations": stairs}))
        return found


def code_distances(quantizer: Quantizer, speech: torch.Tensor) -> torch.Tensor:
    """Compute the squared distance of every frame to every code, in the quantizer's space: (rows, width) -> (rows, codes)."""
    with torch.autocast(speech.device.type, enabled=False):
        latent = quantizer.prepare(quantizer.project_in(at_least_float32(speech)))
        book = quantizer.vectors(torch.arange(quantizer.codebook_size, device=speech.device))
        return torch.cdist(latent, book).square()


def with_pauses(phones: Sequence[tuple[Phone, int]], words: Sequence[str], silence: Phone) -> list[tuple[Phone, int]]:
    """Insert silences of length 0 at the ends and between words, where there are none, so that pauses are learned or predicted.

    `phones` have their durations, `words` the word of every phone but silence; without words, silences come at the ends only.
    """
    slots: list[tuple[Phone, int]] = []
    spoken = 0
    for phone, duration in phones:
        if phone != silence:
            new_word = spoken > 0 and spoken < len(words) and words[spoken] != words[spoken - 1]
            if (new_word or spoken == 0) and (not slots or slots[-1][0] != silence):
                slots.append((silence, 0))
            spoken += 1
        slots.append((phone, duration))
    if not slots or slots[-1][0] != silence:
        slots.append((silence, 0))
    return slots


TASK = TTSTask
