"""Training of recognisers: fine-tuned from VQ-CTAP, supervised from random weights, and the judge."""

from ctaplib.data.batch import Batch
from ctaplib.losses.quantization import quantization_loss
from ctaplib.losses.sequence import ctc_loss
from ctaplib.losses.terms import Term
from ctaplib.models.recognizer import Recognizer, RecognizerConfig
from ctaplib.models.vqctap import VQCTAP
from ctaplib.runs.panels import Preview
from ctaplib.tasks.base import TaskPaths
from ctaplib.tasks.error_rates import RECOGNITION_ERRORS, collapse, error_rate, recognition_errors, recognition_terms
from ctaplib.tasks.load import load_source
from ctaplib.tasks.preview import posteriors, preview_row
from ctaplib.tasks.schedule import Ramp, Schedule, constant
from ctaplib.tasks.settings import TrainConfig
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
    """Sizes; taken from the pre-trained model where there is one. Without a quantizer, its code book is not used."""
    schedule: ASRSchedule = ASRSchedule()
    train: TrainConfig = TrainConfig(best="per_ctc")
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
            names = ("n_mels", "speech", "phoneme_decoder", *(() if config.model.quantizer is None else ("quantizer",)))
            sizes = config.model.model_copy(update={name: getattr(source.config, name) for name in names})
            config = config.model_copy(update={"model": sizes})
        hop, ctc_factor = config.model.speech.hop, config.model.phoneme_decoder.ctc_factor
        super().__init__(config, paths, hop, ctc_factor, training=training)
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
        output = self.model(self.encoder_input(batch), batch.mel_lengths)
        words = vq = Term.none(batch.mel)
        if output.words is not None:
            words = ctc_loss(output.words, output.read.lengths, batch.words, batch.words_lengths)
        if output.quantized is not None:
            vq = quantization_loss(output.quantized)
        with_start = self.weights(step, optimizer)["ctc_start"] > 0
        return recognition_terms(output.read, batch, output.mask, with_start) | {"words": words, "vq": vq}

    def after_step(self, step: int) -> None:
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


TASK = ASRTask
