"""Training of recognisers: fine-tuned from VQ-CTAP, supervised from nothing, and the judge."""

import torch

from ctaplib.data.batch import Batch
from ctaplib.data.labels import IGNORE, SILENCE_LABEL
from ctaplib.losses.quantization import quantization_loss
from ctaplib.losses.sequence import ctc_loss, ctc_start_loss, frame_classification_loss
from ctaplib.losses.terms import Term
from ctaplib.models.recognizer import Recognizer, RecognizerConfig
from ctaplib.models.vqctap import VQCTAP
from ctaplib.runs.panels import Preview
from ctaplib.tasks.base import TaskPaths
from ctaplib.tasks.error_rates import RECOGNITION_ERRORS, RecognitionTrainConfig, collapse, error_rate, recognition_errors
from ctaplib.tasks.load import load_source
from ctaplib.tasks.preview import basics, posteriors
from ctaplib.tasks.schedule import Ramp, Schedule, constant
from ctaplib.tasks.speech import SpeechTask, SpeechTaskConfig


class ASRSchedule(Schedule):
    """Weights of the terms."""

    classify: Ramp = constant(0.5)
    ctc: Ramp = constant(1.0)
    ctc_start: Ramp = constant(0.0)
    words: Ramp = constant(0.3)
    vq: Ramp = constant(1.0)


class ASRConfig(SpeechTaskConfig):
    """Everything about a recogniser's training."""

    model: RecognizerConfig = RecognizerConfig()
    """Sizes; taken from the pre-trained run where there is one."""
    schedule: ASRSchedule = ASRSchedule()
    train: RecognitionTrainConfig = RecognitionTrainConfig()
    freeze_codebook: bool = False
    """Whether the code book stays where pre-training left it."""


class ASRTask(SpeechTask[Recognizer]):
    """Phones by CTC and by frame, word pieces by CTC. `--init pretrained=RUN` starts from a pre-trained model."""

    name = "asr"
    inits = ("pretrained",)
    metrics = (*RECOGNITION_ERRORS, "piece_error_pct")
    Config = ASRConfig
    config: ASRConfig

    def __init__(self, config: ASRConfig, paths: TaskPaths, *, training: bool = True) -> None:
        source: VQCTAP | None = None
        if training and "pretrained" in paths.init:
            source = load_source(self.name, paths, VQCTAP)
            config = config.model_copy(update={"model": _sizes_of(source, config.model)})
        super().__init__(config, paths, training=training)
        torch.manual_seed(config.seed)
        pieces = self.pieces.get_piece_size() if self.pieces is not None else 0
        self.model = Recognizer(config.model, len(self.labels), pieces)
        if training:
            self.model.set_statistics(*self.statistics())
        if source is not None:
            self.model.speech_encoder.load_state_dict(source.speech_encoder.state_dict())
            self.model.phoneme_decoder.load_state_dict(source.phoneme_decoder.state_dict())
            if self.model.quantizer is not None:
                self.model.quantizer.load_state_dict(source.quantizer.state_dict())

    @property
    def hop(self) -> int:
        """Feature frames in one content frame."""
        return self.config.model.speech.hop

    @property
    def ctc_factor(self) -> int:
        """CTC frames in one content frame."""
        return self.config.model.phoneme_decoder.ctc_factor

    def losses(self, batch: Batch, step: int, optimizer: str) -> dict[str, Term]:
        """All terms."""
        found = self.model(self.encoder_input(batch), batch.mel_lengths)
        zero = Term(batch.mel.new_zeros(()), 0.0)
        words = zero
        if found.words is not None:
            words = ctc_loss(found.words, found.read.lengths, batch.words, batch.words_lengths).term
        start = zero
        if self.weights(step, optimizer)["ctc_start"]:
            start = ctc_start_loss(
                found.read.ctc, batch.frame_labels, found.mask, silence_label=SILENCE_LABEL, ignored_label=IGNORE
            )
        return {
            "classify": frame_classification_loss(found.read.classes, batch.frame_labels, found.mask),
            "ctc": ctc_loss(found.read.ctc, found.read.ctc_lengths, batch.labels, batch.labels_lengths).term,
            "ctc_start": start,
            "words": words,
            "vq": zero if found.quantized is None else quantization_loss(found.quantized),
        }

    def after_step(self, step: int) -> None:
        """Move the code book, if there is one and it may move."""
        if self.model.quantizer is not None and not self.config.freeze_codebook:
            self.model.quantizer.after_step(step)

    def evaluate(self, batch: Batch) -> dict[str, Term]:
        """PER by both heads, and errors of word pieces."""
        found = self.model(self.model.normalize(batch.mel), batch.mel_lengths)
        errors = recognition_errors(found.read, batch)
        if found.words is not None:
            hyp = collapse(found.words, found.read.lengths, {0})
            errors["piece_error_pct"] = error_rate(hyp, batch.words, batch.words_lengths)
        return errors

    def previews(self, batch: Batch) -> list[Preview]:
        """Posteriors of both heads."""
        read = self.model(self.model.normalize(batch.mel), batch.mel_lengths).read
        return [
            basics(
                self, batch, row,
                panels={
                    "phone posteriors": posteriors(self, read.classes[row], batch, row),
                    "CTC posteriors": posteriors(self, read.ctc[row], batch, row, per_label=read.ctc_factor),
                },
            )
            for row in range(len(batch.ids))
        ]  # fmt: skip


def _sizes_of(source: VQCTAP, wanted: RecognizerConfig) -> RecognizerConfig:
    """The pre-trained model's sizes; whether codes are used is the recogniser's own choice."""
    sizes = source.config
    return wanted.model_copy(
        update={
            "n_mels": sizes.n_mels,
            "speech": sizes.speech,
            "phoneme_decoder": sizes.phoneme_decoder,
            "quantizer": sizes.quantizer if wanted.quantizer is not None else None,
        }
    )


TASK = ASRTask
