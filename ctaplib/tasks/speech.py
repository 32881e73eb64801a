"""What tasks on mel and phones share: their sets, their plans, and how a batch is drawn."""

from collections.abc import Sequence
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import sentencepiece
import torch
from pydantic import Field

from ctaplib.audio.settings import FeatureConfig, read_feature_config
from ctaplib.config import Config
from ctaplib.corpus.datadir import read_words
from ctaplib.data.batching import plan_batches
from ctaplib.data.dataset import FACTOR, IGNORE, Batch, LabelSet, SpeechSet, clip, draw, pad_labels
from ctaplib.errors import ConfigError, DataError
from ctaplib.files import make_folder
from ctaplib.models.recognizer import Recognizer
from ctaplib.models.vqctap import VQCTAP, warp_mel
from ctaplib.tasks.base import BatchStats, Task, TaskConfig, TaskPaths
from ctaplib.tasks.preview import spread
from ctaplib.tasks.schedule import Schedule
from ctaplib.tensors import pad_arrays
from ctaplib.text.tokens import TokenList, read_token_list

Model = TypeVar("Model", bound=torch.nn.Module)


class DrawConfig(Config):
    """What is drawn at random for every utterance of a batch; all are our choice."""

    prompt_s: tuple[float, float] = (1.0, 3.0)
    """Shortest and longest prompt clip, seconds."""
    prompt_from: str = "utterance"
    """Where the prompt is cut from: the utterance itself (the paper), or another one of its speaker."""
    random_s: float = Field(1.6, ge=0)
    """Length of the clip of other speech, seconds; 0 draws none."""
    warp: float = Field(0.0, ge=0, lt=1)
    """Largest relative stretch of the mel axis of what the speech encoder hears."""
    voice: float = Field(0.0, ge=0, lt=1)
    """Largest relative stretch of the mel axis of target and prompt together: voices between those of the set."""
    gain: float = Field(0.0, ge=0)
    """Largest shift of the level of what the speech encoder hears, in deviations."""
    tempo: float = Field(0.0, ge=0, lt=1)
    """Largest relative change of tempo, of mel, F0, durations and labels alike."""
    mask_bands: int = Field(0, ge=0)
    """Largest number of neighbouring mel bands that are blanked, twice, in what the speech encoder hears (SpecAugment)."""
    mask_frames: int = Field(0, ge=0)
    """Largest number of neighbouring frames that are blanked there, once a second (SpecAugment)."""


class SpeechTaskConfig(TaskConfig):
    """Common to tasks on mel and phones."""

    draw: DrawConfig = DrawConfig()
    schedule: Schedule = Schedule()
    """Weight of every term of the loss."""
    words: int = Field(0, ge=0)
    """Size of the SentencePiece model whose pieces are recognised as well; 0 for none."""


class SpeechTask(Task, Generic[Model]):
    """Sets, token list, features and batches; the model and its losses are left to the tasks themselves."""

    config: SpeechTaskConfig
    model: Model
    labelled = True
    noise_width = 0
    """Features of the global vector that noise is drawn for."""

    def __init__(self, config: SpeechTaskConfig, paths: TaskPaths, *, training: bool = True) -> None:
        super().__init__(config, paths, training=training)
        self._files = self._asset_sources() if training else {n: paths.exp / n for n in self._asset_sources()}
        self.tokens: TokenList = read_token_list(self._files["tokens.txt"])
        self.labels = LabelSet(self.tokens)
        self.features: FeatureConfig = read_feature_config(self._files["features.yaml"])
        self.pieces: sentencepiece.SentencePieceProcessor | None = None
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

    def _asset_sources(self) -> dict[str, Path]:
        dump = self.paths.dump
        sources = {
            "tokens.txt": dump / "token_list" / "phn" / "tokens.txt",
            "features.yaml": dump / (self.paths.train_set or "train") / "features.yaml",
        }
        if self.config.words:
            sources["bpe.model"] = dump / "token_list" / f"spm{self.config.words}" / "bpe.model"
        return sources

    def assets(self) -> dict[str, Path]:
        """Token list, feature settings and word pieces."""
        return self._files

    def _open_sets(self) -> None:
        p, batch, tokens = self.paths, self.config.batch, self.tokens if self.labelled else None
        make_folder(p.exp)
        self.train = SpeechSet(p.data, p.dump, p.train_set, tokens, batch, p.exp / "left_out_train.tsv")
        self.valid = SpeechSet(p.data, p.dump, p.valid_set, tokens, batch, p.exp / "left_out_valid.tsv")
        self.other = self.train
        if p.speech_only_set:
            self.other = SpeechSet(p.data, p.dump, p.speech_only_set, None, batch, p.exp / "left_out_speech.tsv")
        self.mates: dict[str, list[str]] = {}
        for utt in self.train.utts:
            self.mates.setdefault(self.train.speakers[utt], []).append(utt)
        if self.config.draw.prompt_from not in {"utterance", "speaker"}:
            raise ConfigError(f"draw.prompt_from is {self.config.draw.prompt_from!r}", expected="utterance or speaker")
        self.texts = {s.name: read_words(p.data / s.name) if self.config.words else {} for s in (self.train, self.valid)}

    def statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation of every mel band over the training set."""
        with np.load(self.paths.dump / "stats.npz") as stats:
            return stats["mean"], stats["std"]

    def train_plan(self, epoch: int) -> list[list[int]]:
        """Batches of like lengths, new ones each epoch."""
        config = self.config
        frames = int(config.batch.batch_s * 100)
        return plan_batches(self.train.lengths, frames, config.batch, seed=config.seed, epoch=epoch)

    def items(self) -> dict[str, dict[str, int]]:
        """Training set and, where there is one, the set without labels."""
        return {s.name: dict(zip(s.utts, s.lengths)) for s in (self.train, self.other)}

    def item_frames(self, items: Sequence[int]) -> list[int]:
        """Lengths in the training set."""
        return [self.train.lengths[i] for i in items]

    def item_names(self, items: Sequence[int]) -> list[str]:
        """Utterances."""
        return [self.train.utts[i] for i in items]

    def valid_frames(self, items: Sequence[int]) -> list[int]:
        """Lengths in the validation set."""
        return [self.valid.lengths[i] for i in items]

    def valid_plan(self) -> list[list[int]]:
        """Batches of the validation set, always the same."""
        frames = int(self.config.batch.batch_s * 100)
        return plan_batches(self.valid.lengths, frames, self.config.batch, seed=0, epoch=1)

    def load(self, split: str, items: Sequence[int], step: int) -> Batch:
        """Draw a batch; in validation nothing is perturbed."""
        source = self.train if split == "train" else self.valid
        rows = [self._load_one(source, source.utts[i], step if split == "train" else 0) for i in items]
        pad = self.config.batch.pad_frames
        mel, lengths = pad_arrays([r["mel"] for r in rows], multiple=pad)
        parts: dict[str, torch.Tensor] = {"warp": torch.tensor(np.array([r["warp"] for r in rows]), dtype=torch.float32)}
        if self.config.draw.voice:
            parts["voice"] = torch.tensor([r["voice"] for r in rows], dtype=torch.float32)
        if self.noise_width:
            parts["noise"] = torch.stack([r["noise"] for r in rows])
        if rows[0]["heard"] is not None:
            parts["heard"], _ = pad_arrays([r["heard"] for r in rows], multiple=pad)
        for name in ("prompt", "random"):
            if rows[0][name] is not None:
                parts[name], parts[f"{name}_lengths"] = pad_arrays([r[name] for r in rows], multiple=pad)
        parts["f0_hz"], _ = pad_arrays([r["f0_hz"] for r in rows], multiple=pad)
        if self.labelled:
            parts["phones"], _ = pad_labels([r["phones"] for r in rows])
            parts["durations"], _ = pad_labels([r["durations"] for r in rows])
            parts["frame_labels"], _ = pad_labels([r["frame_labels"] for r in rows], IGNORE, pad // FACTOR)
            parts["labels"], parts["label_lengths"] = pad_labels([r["labels"] for r in rows])
        if self.pieces is not None:
            parts["words"], parts["word_lengths"] = pad_labels([r["words"] for r in rows])
        return Batch(ids=tuple(r["id"] for r in rows), mel=mel, mel_lengths=lengths, frames=int(lengths.sum()), **parts)

    def weights(self, step: int, optimizer: str) -> dict[str, float]:
        """Compute the weight of every term at this step."""
        return self.config.schedule.weights(step / self.config.train.max_steps)

    def batch_stats(self, batch: Batch) -> BatchStats:
        """Utterances and frames of their mel."""
        return BatchStats(len(batch.ids), batch.frames, batch.mel.shape[0] * batch.mel.shape[1], self.features.hop_s)

    def preview_items(self, count: int) -> list[int]:
        """Utterances of at most six seconds, where there are enough."""
        return spread(self.valid.lengths, count)

    def _load_one(self, source: SpeechSet, utt: str, step: int) -> dict:
        config, training = self.config.draw, source is self.train
        rng = draw(self.config.seed, step, utt)
        mel = source.mel_view(utt)
        row: dict = {"id": utt, "heard": None, "prompt": None, "random": None, "f0_hz": source.f0_view(utt)}
        shortest, longest = config.prompt_s
        prompt_frames, where = int(rng.uniform(shortest, longest) * 100), rng.uniform()
        mate = utt
        if config.prompt_from == "speaker" and training:
            mates = self.mates[source.speakers[utt]]
            mate = mates[int(rng.integers(len(mates)))]
        row["prompt"] = clip(mel if mate == utt else source.mel_view(mate), prompt_frames, where)
        if config.random_s > 0:
            other = self.other.utts[int(rng.integers(len(self.other.utts)))]
            row["random"] = clip(self.other.mel_view(other), int(config.random_s * 100), rng.uniform())
        row["noise"] = torch.from_numpy(rng.normal(size=self.noise_width)).float()
        row["warp"] = 1 + rng.uniform(-1, 1, 2) * config.warp, rng.uniform(-1, 1, 2) * config.gain
        row["voice"] = 1 + rng.uniform(-1, 1) * config.voice if training else 1.0
        if not training:
            row["warp"] = np.ones(2), np.zeros(2)
        if self.labelled:
            known = source.labelled[utt]
            row |= {n: getattr(known, n) for n in ("phones", "durations", "frame_labels", "labels")}
        if training and config.tempo > 0:
            mel = change_tempo(_copy(mel), row, 1 + rng.uniform(-1, 1) * config.tempo).numpy()
        if training and (config.mask_bands or config.mask_frames):
            row["heard"] = self._blank(_copy(mel), rng).numpy()
        if self.pieces is not None:
            row["words"] = np.asarray(self.pieces.encode(self.texts[source.name][utt]), dtype=np.int64) + 1
        return row | {"mel": mel}

    def heard(self: "SpeechTask[VQCTAP] | SpeechTask[Recognizer]", batch: Batch) -> torch.Tensor:
        """What the speech encoder hears in training: blanked, normalised and warped; (B, T, n_mels)."""
        mel = batch.mel if batch.heard is None else batch.heard
        return warp_mel(self.model.normalize(mel), batch.warp[:, 0, 0], batch.warp[:, 1, 0])

    def _blank(self, mel: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """SpecAugment (Park et al. 2019, arXiv 1904.08779): blank bands and frames with the utterance's mean, in place."""
        config = self.config.draw
        mean = mel.mean(0)
        for _ in range(2 if config.mask_bands else 0):
            width = int(rng.integers(config.mask_bands + 1))
            start = int(rng.integers(mel.shape[1] - width))
            mel[:, start : start + width] = mean[start : start + width]
        for _ in range(1 + len(mel) // 100 if config.mask_frames else 0):
            width = min(int(rng.integers(config.mask_frames + 1)), len(mel) // 2)
            start = int(rng.integers(len(mel) - width))
            mel[start : start + width] = mean
        return mel


def _copy(mel: np.ndarray) -> torch.Tensor:
    """A tensor of one's own, (T, n_mels) float32."""
    return torch.from_numpy(np.array(mel, dtype=np.float32))


def change_tempo(mel: torch.Tensor, row: dict, factor: float) -> torch.Tensor:
    """Stretch an utterance in time: its mel, and in `row` its F0 and, where it has them, durations and frame labels.

    Args:
        mel: (T, n_mels), T a multiple of 4.
        row: `f0_hz` (T,), `durations` (N,) that sum to T, `frame_labels` (T / 4,); replaced in place.
        factor: New length over old; the length is rounded down to a multiple of 4.

    Returns:
        (T', n_mels), a line between neighbouring frames.
    """
    frames = max(FACTOR, int(len(mel) * factor) // FACTOR * FACTOR)
    ratio = frames / len(mel)
    nearest = np.minimum(((np.arange(frames) + 0.5) / ratio).astype(int), len(mel) - 1)
    row["f0_hz"] = row["f0_hz"][nearest]
    if "durations" in row:
        row["durations"] = np.diff(np.rint(np.cumsum(row["durations"]) * ratio).astype(np.int64), prepend=0)
        row["frame_labels"] = row["frame_labels"][nearest[FACTOR // 2 :: FACTOR] // FACTOR]
    return torch.nn.functional.interpolate(mel.T[None], size=frames, mode="linear", align_corners=False)[0].T.contiguous()
