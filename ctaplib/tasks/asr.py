"""Training of recognisers: fine-tuned from VQ-CTAP, supervised from random weights, and the judge."""

import torch

from ctaplib.data.batch import Batch
from ctaplib.data.labels import SILENCE_LABEL
from ctaplib.losses.quantization import quantization_loss
from ctaplib.losses.sequence import ctc_loss, ctc_start_loss, frame_classification_loss
from ctaplib.losses.terms import Term
from ctaplib.models.recognizer import Recognizer, RecognizerConfig
from ctaplib.models.vqctap import VQCTAP
from ctaplib.runs.panels import Preview
from ctaplib.tasks.base import TaskPaths
from ctaplib.tasks.error_rates import RECOGNITION_ERRORS, RecognitionTrainConfig, collapse, error_rate, recognition_errors
from ctaplib.tasks.load import load_source
from ctaplib.tasks.preview import posteriors, preview_row
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
    """Settings of a recogniser and its training."""

    model: RecognizerConfig = RecognizerConfig()
    """Sizes; taken from the pre-trained model where there is one."""
    schedule: ASRSchedule = ASRSchedule()
    train: RecognitionTrainConfig = RecognitionTrainConfig()
    freeze_codebook: bool = False
    """Keep the code book of the pre-trained model unchanged."""


class ASRTask(SpeechTask[Recognizer]):
    """Recognition of phones by CTC and by frame, and of word pieces by CTC; `--init pretrained=RUN` fine-tunes."""

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
        hop, ctc_factor = config.model.speech.hop, config.model.phoneme_decoder.ctc_factor
        super().__init__(config, paths, hop, ctc_factor, training=training)
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

    def losses(self, batch: Batch, step: int, optimizer: str) -> dict[str, Term]:
        """Compute all terms."""
        output = self.model(self.encoder_input(batch), batch.mel_lengths)
        zero = Term(batch.mel.new_zeros(()), 0.0)
        words = zero
        if output.words is not None:
            words = ctc_loss(output.words, output.read.lengths, batch.words, batch.words_lengths)
        start = zero
        if self.weights(step, optimizer)["ctc_start"]:
            start = ctc_start_loss(output.read.ctc, batch.frame_labels, output.mask, SILENCE_LABEL)
        return {
            "classify": frame_classification_loss(output.read.classes, batch.frame_labels, output.mask),
            "ctc": ctc_loss(output.read.ctc, output.read.ctc_lengths, batch.labels, batch.labels_lengths),
            "ctc_start": start,
            "words": words,
            "vq": zero if output.quantized is None else quantization_loss(output.quantized),
        }

    def after_step(self, step: int) -> None:
        """Update the code book, unless there is none or it is frozen."""
        if self.model.quantizer is not None and not self.config.freeze_codebook:
            self.model.quantizer.after_step(step)

    def evaluate(self, batch: Batch) -> dict[str, Term]:
        """Compute the PER of both heads and the error rate of word pieces."""
        output = self.model(self.model.normalize(batch.mel), batch.mel_lengths)
        errors = recognition_errors(output.read, batch)
        if output.words is not None:
            hyp = collapse(output.words, output.read.lengths, {0})
            errors["piece_error_pct"] = error_rate(hyp, batch.words, batch.words_lengths)
        return errors

    def previews(self, batch: Batch) -> list[Preview]:
        """Show the posteriors of both heads."""
        read = self.model(self.model.normalize(batch.mel), batch.mel_lengths).read
        found = []
        for row in range(len(batch.ids)):
            ctc = posteriors(self, read.ctc[row], batch, row, per_label=read.ctc_factor)
            panels = {"phone posteriors": posteriors(self, read.classes[row], batch, row), "CTC posteriors": ctc}
            found.append(preview_row(self, batch, row, panels=panels))
        return found


def _sizes_of(source: VQCTAP, config: RecognizerConfig) -> RecognizerConfig:
    """Copy the sizes of the pre-trained model, except for a quantizer that the recogniser does not want."""
    names = ("n_mels", "speech", "phoneme_decoder", *(() if config.quantizer is None else ("quantizer",)))
    return config.model_copy(update={name: getattr(source.config, name) for name in names})


TASK = ASRTask
