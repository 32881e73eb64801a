"""Common parts of tasks on mel and phones: their sets, their plans, their batches and the transforms of these."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import sentencepiece
import torch
from pydantic import Field

from ctaplib.audio.settings import FeatureConfig, read_feature_config
from ctaplib.corpus.datadir import read_words
from ctaplib.data.batch import Batch, Entry, Padded
from ctaplib.data.batching import plan_batches
from ctaplib.data.dataset import SpeechSet
from ctaplib.data.labels import LabelSet, Rates
from ctaplib.data.transform_mask import Mask, MaskConfig
from ctaplib.data.transform_perturb import Perturb, PerturbConfig
from ctaplib.data.transform_tempo import Tempo, TempoConfig
from ctaplib.data.transform_voice import Voice, VoiceConfig
from ctaplib.data.transforms import MASKED_MEL, Example, TransformSlot, build_transforms, keyed_rng
from ctaplib.errors import ConfigError, DataError
from ctaplib.files import atomic_write, make_folder
from ctaplib.losses.sequence import IGNORED_LABEL
from ctaplib.tasks.base import SetTask, TaskPaths
from ctaplib.tasks.schedule import Schedule
from ctaplib.tasks.settings import TaskConfig
from ctaplib.text.tokens import TokenList, read_token_list

Model = TypeVar("Model", bound=torch.nn.Module)
BUILT_IN = (Perturb, Voice, Tempo, Mask)
"""Transforms with settings in `draw`. They draw in this order from the generator of the utterance, after prompt and noise."""


class DrawConfig(PerturbConfig, VoiceConfig, TempoConfig, MaskConfig):
    """Random choices for every training utterance; all are our choice."""

    prompt_s: tuple[float, float] = (1.0, 3.0)
    """Shortest and longest prompt clip, seconds."""
    prompt_from: Literal["utterance", "speaker"] = "utterance"
    """Where the prompt is cut from: the utterance itself (the paper), or another one of its speaker."""
    random_s: float = Field(1.6, ge=0)
    """Length of the clip of other speech, seconds; 0 for none."""


class SpeechTaskConfig(TaskConfig):
    """Common to tasks on mel and phones."""

    draw: DrawConfig = DrawConfig()
    transforms: tuple[TransformSlot, ...] = ()
    """Further transforms, by the names of their modules `ctaplib/data/transform_<name>.py`, in the order of their use."""
    schedule: Schedule = Schedule()
    """Weight of every term of the loss."""
    words: int = Field(0, ge=0)
    """Size of the SentencePiece model whose pieces are recognised as well; 0 for none."""


class SpeechTask(SetTask, Generic[Model]):
    """Sets, token list, features and batches; a subclass adds the model, its losses and, where it needs them, more entries.

    Attributes:
        labelled: Whether utterances need phones.
        with_speakers: Whether to keep a table of the training speakers beside the model, as `speakers`.
        frozen: A model that the trained one needs and that is not trained; on the same device.
        noise_width: Features of the global vector that noise is drawn for.
        speakers: Index of every training speaker, in the order of their names; empty without `with_speakers`.
        hop: Feature frames in one content frame of the model.
        ctc_factor: CTC frames in one content frame; 0 where nothing is trained with CTC on the phones.
    """

    config: SpeechTaskConfig
    model: Model
    labelled = True
    with_speakers = False
    noise_width = 0
    frozen: Any = None

    def __init__(
        self, config: SpeechTaskConfig, paths: TaskPaths, hop: int, ctc_factor: int = 0, *, training: bool = True
    ) -> None:
        super().__init__(config, paths, training=training)
        self.hop, self.ctc_factor = hop, ctc_factor
        self._files = self._asset_sources() if training else {n: paths.exp / n for n in self._asset_sources()}
        self.tokens: TokenList = read_token_list(self._files["tokens.txt"])
        self.labels = LabelSet(self.tokens)
        self.features: FeatureConfig = read_feature_config(self._files["features.yaml"])
        self.pieces: sentencepiece.SentencePieceProcessor | None = None
        self.speakers: dict[str, int] = {}
        if config.words:
            if not self._files["bpe.model"].exists():
                raise DataError(
                    f"{self._files['bpe.model']} is missing",
                    expected=f"{config.words} word pieces, as `words` of the config says",
                    fix=f"set spm_pieces: {config.words} in conf/text.yaml and run stage 2 (text) again, or change `words`",
                )  # fmt: skip
            self.pieces = sentencepiece.SentencePieceProcessor(model_file=str(self._files["bpe.model"]))
        if training:
            self._open_sets()
        if self.with_speakers:
            names = self._files["speakers.txt"].read_text(encoding="utf-8").splitlines()
            self.speakers = {name: index for index, name in enumerate(names)}

    def _asset_sources(self) -> dict[str, Path]:
        dump = self.paths.dump
        sources = {
            "tokens.txt": dump / "token_list" / "phn" / "tokens.txt",
            "features.yaml": dump / (self.paths.train_set or "train") / "features.yaml",
        }
        if self.config.words:
            sources["bpe.model"] = dump / "token_list" / f"spm{self.config.words}" / "bpe.model"
        if self.with_speakers:
            sources["speakers.txt"] = self.paths.exp / "speakers.txt"
        return sources

    def assets(self) -> dict[str, Path]:
        return self._files

    def before_training(self, step: int) -> None:
        if self.frozen is not None:
            self.frozen.to(next(self.model.parameters())).eval()

    def _open_sets(self) -> None:
        make_folder(self.paths.exp)
        self.rates = Rates(self.features, self.hop, self.ctc_factor)
        self.pad = math.lcm(self.config.batch.pad_frames, self.hop)
        self.batching = self.config.batch.model_copy(update={"pad_frames": self.pad})
        self.transforms = build_transforms(BUILT_IN, self.config.draw, self.config.transforms, self.rates)
        self.train, self.valid = self._open(self.paths.train_set, "train"), self._open(self.paths.valid_set, "valid")
        self.other = self.train
        if self.paths.speech_only_set:
            self.other = self._open(self.paths.speech_only_set, "speech", labelled=False)
        self.utts_of: dict[str, list[str]] = {}
        for utt in self.train.utts:
            self.utts_of.setdefault(self.train.speakers[utt], []).append(utt)
        self.texts = {s.name: read_words(self.paths.data / s.name) if self.config.words else {} for s in (self.train, self.valid)}
        if self.with_speakers:
            with atomic_write(self._files["speakers.txt"]) as out:
                out.writelines(f"{speaker}\n" for speaker in sorted(self.utts_of))

    def _open(self, name: str, part: str, labelled: bool = True) -> SpeechSet:
        found = SpeechSet(
            self.paths.data, self.paths.dump, name, self.tokens if labelled and self.labelled else None,
            hop=self.hop, ctc_factor=self.ctc_factor, limits=self.batching, report=self.paths.exp / f"left_out_{part}.tsv",
        )  # fmt: skip
        if found.rates.features != self.features:
            raise ConfigError(
                f"the features of {name} have other settings than those of {self.paths.train_set}",
                expected="one front end for all sets", fix="run stage 3 (ctap features) again for both",
            )  # fmt: skip
        return found

    def train_plan(self, epoch: int) -> list[list[int]]:
        return plan_batches(self.train.lengths, self._batch_frames(), self.batching, seed=self.config.seed, epoch=epoch)

    def valid_plan(self) -> list[list[int]]:
        return plan_batches(self.valid.lengths, self._batch_frames(), self.batching, seed=0, epoch=1)

    def _batch_frames(self) -> int:
        return int(self.config.batch.batch_s * self.features.frames_per_s)

    def items(self) -> dict[str, dict[str, int]]:
        return super().items() | {self.other.name: dict(zip(self.other.utts, self.other.lengths))}

    def weights(self, step: int, optimizer: str) -> dict[str, float]:
        return self.config.schedule.weights(step / self.config.train.max_steps)

    def extra(self, example: Example, source: SpeechSet, step: int) -> dict[str, Entry]:
        """Return entries for `Batch.extra` besides those of transforms, for example a speaker's index; none unless overridden.

        The example is transformed; the step is 0 in validation. What is random is drawn from `keyed_rng(seed, step, utt, name)`
        with the name of the entry, so that no other number changes.
        """
        return {}

    def load(self, split: str, items: Sequence[int], step: int) -> Batch:
        """Make a batch; in validation nothing is transformed."""
        source, step = (self.train, step) if split == "train" else (self.valid, 0)
        rows = [self._load_one(source, source.utts[i], step) for i in items]
        return Batch.of([source.utts[i] for i in items], [r[0] for r in rows], [r[1] for r in rows], self.pad)

    def _load_one(self, source: SpeechSet, utt: str, step: int) -> tuple[dict[str, Entry], dict[str, Entry]]:
        """Make the fields of the batch and its further entries for one utterance."""
        config, training, rng = self.config.draw, source is self.train, keyed_rng(self.config.seed, step, utt)
        seconds, where, prompt_utt = rng.uniform(*config.prompt_s), rng.uniform(), utt
        if config.prompt_from == "speaker" and training:
            utts = self.utts_of[source.speakers[utt]]
            prompt_utt = utts[int(rng.integers(len(utts)))]
        labelled = source.labelled[utt] if self.labelled else None
        example = Example(utt, source.mel(utt), source.f0_hz(utt), source.clip(prompt_utt, seconds, where), labelled)
        row: dict[str, Entry] = {}
        if config.random_s > 0:
            other = self.other.utts[int(rng.integers(len(self.other.utts)))]
            row["random"] = Padded(self.other.clip(other, config.random_s, rng.uniform()), hop=1)
        noise = rng.normal(size=self.noise_width)
        if self.noise_width:
            row["noise"] = noise
        for transform, words in self.transforms if training else ():
            transform.apply(example, keyed_rng(self.config.seed, step, utt, *words) if words else rng)
        row |= {"mel": Padded(example.mel, 1), "f0_hz": Padded(example.f0_hz, 1), "prompt": Padded(example.prompt, 1)}
        if (known := example.labelled) is not None:
            row |= {"phones": Padded(known.phones), "durations": Padded(known.durations), "labels": Padded(known.labels)}
            row["frame_labels"] = Padded(known.frame_labels, self.hop, IGNORED_LABEL)
        if self.pieces is not None:
            row["words"] = Padded(np.asarray(self.pieces.encode(self.texts[source.name][utt]), dtype=np.int64) + 1)
        extra = self.extra(example, source, step)
        if twice := sorted(set(example.entries) & set(extra)):
            raise ConfigError(f"a transform and the task both add {', '.join(twice)} to a batch", fix="rename one of them")
        return row, example.entries | extra

    def encoder_input(self: "SpeechTask[Any]", batch: Batch, part: Literal["mel", "random"] = "mel") -> torch.Tensor:
        """Return the speech encoder's input (B, T, n_mels) in training, masked, normalised and transformed."""
        stored = batch.random if part == "random" else batch.extra.get(MASKED_MEL, batch.mel)
        mel = self.model.normalize(stored)
        for transform, _ in self.transforms:
            mel = transform.encoder_input(mel, batch, part)
        return mel

    def target(self: "SpeechTask[Any]", batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return what is to be reconstructed in training, transformed: normalised mel, normalised prompt, F0."""
        mel, prompt, f0_hz = self.model.normalize(batch.mel), self.model.normalize(batch.prompt), batch.f0_hz
        for transform, _ in self.transforms:
            mel, prompt, f0_hz = transform.target(mel, prompt, f0_hz, batch)
        return mel, prompt, f0_hz
