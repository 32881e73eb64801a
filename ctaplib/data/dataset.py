"""From files to batches: utterances with features, phones, durations and labels.

Seconds end here: everything behind this module counts 10 ms frames, or 40 ms code frames.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from ctaplib.audio.settings import check_set
from ctaplib.audio.store import FeatureStore
from ctaplib.corpus.alignment import frame_phones, read_ctm, to_durations
from ctaplib.data.batching import BatchConfig
from ctaplib.errors import DataError, shortened
from ctaplib.files import read_table, write_tsv
from ctaplib.phones import SILENCE, fold
from ctaplib.tensors import pad_stack
from ctaplib.text.tokens import TokenList

FACTOR = 4
"""10 ms frames of one code frame."""
IGNORE = -100
"""Label of a frame that is padding."""
SILENCE_LABEL = 1
"""Label of silence."""
EMPTY = torch.empty(0, dtype=torch.int64)
"""What a batch holds of something that its task does not use."""


@dataclass(frozen=True)
class Labelled:
    """What is known of an utterance's phones, as ids.

    Attributes:
        phones: (N,) token ids, silences among them.
        durations: (N,) 10 ms frames; they sum to the utterance's frames.
        frame_labels: (T / 4,) label of the phone that fills most of each 40 ms.
        labels: (L,) labels without silence, for CTC.
    """

    phones: np.ndarray
    durations: np.ndarray
    frame_labels: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Batch:
    """A padded batch; lengths count 10 ms frames and are multiples of 4.

    Attributes:
        mel: (B, T, n_mels) log-mel as stored; T a multiple of 4.
        heard: The same with parts blanked, for the speech encoder; None where nothing is blanked.
        phones, durations: (B, N); 0 at padding; like all labels empty where the task has none.
        frame_labels: (B, T / 4); IGNORE at padding.
        labels: (B, L) and their lengths; for CTC.
        words: (B, W) word pieces and their lengths; empty where the task has no words.
        f0_hz: (B, T) F0, 0 where unvoiced.
        prompt: (B, Tp, n_mels) a clip of the same speech.
        random: (B, Tr, n_mels) clips of other speech, without labels; None for none.
        noise: (B, features of G) draws for the prompt's vector; None for none.
        voice: (B,) stretch of the mel axis of target and prompt; None for none.
        warp: (B, 2) factor and gain of the perturbation of mel and of random.
        frames: Sum of `mel_lengths`, known without asking a device.
    """

    ids: tuple[str, ...]
    mel: torch.Tensor
    mel_lengths: torch.Tensor
    f0_hz: torch.Tensor
    prompt: torch.Tensor
    prompt_lengths: torch.Tensor
    warp: torch.Tensor
    phones: torch.Tensor = EMPTY
    durations: torch.Tensor = EMPTY
    frame_labels: torch.Tensor = EMPTY
    labels: torch.Tensor = EMPTY
    label_lengths: torch.Tensor = EMPTY
    words: torch.Tensor = EMPTY
    word_lengths: torch.Tensor = EMPTY
    heard: torch.Tensor | None = None
    random: torch.Tensor | None = None
    random_lengths: torch.Tensor = EMPTY
    noise: torch.Tensor | None = None
    voice: torch.Tensor | None = None
    frames: int = 0

    def to(self, device: torch.device) -> Self:
        """The same batch on another device."""
        if device.type == "cpu":
            return self
        held = {f.name: getattr(self, f.name) for f in fields(self)}
        moved: dict[str, Any] = {n: v.to(device, non_blocking=True) for n, v in held.items() if torch.is_tensor(v)}
        return replace(self, **moved)


class LabelSet:
    """The phones that are recognised: tokens without stress, blank first, then silence.

    Args:
        tokens: The recipe's token list.
    """

    def __init__(self, tokens: TokenList) -> None:
        phones = [t for t in tokens.tokens if not t.startswith("<") and t != SILENCE]
        self.names = ("<blank>", SILENCE, *sorted({fold(p) for p in phones}))
        self._ids = {name: i for i, name in enumerate(self.names)}
        self.of_token = np.array([self._ids.get(fold(t), 0) for t in tokens.tokens])

    def __len__(self) -> int:
        return len(self.names)

    def ids(self, phones: Sequence[str]) -> np.ndarray:
        """Labels of phones, stress dropped."""
        return np.array([self._ids[fold(p)] for p in phones], dtype=np.int64)


class SpeechSet:
    """The utterances of one set, those that cannot be used left out and listed.

    Args:
        data: Folder of the data directories.
        dump: Folder of the features.
        name: Name of the set.
        tokens: Token list, or None for speech without labels.
        limits: Shortest and longest utterance, and the batch size.
        report: Where to list what was left out.

    Raises:
        ConfigError, DataError: there is no such set, nothing of it can be used, or files are missing or malformed.
    """

    def __init__(
        self,
        data: Path,
        dump: Path,
        name: str,
        tokens: TokenList | None,
        limits: BatchConfig | None = None,
        report: Path | None = None,
    ) -> None:
        self.name = name
        check_set(dump / name)
        self.store = FeatureStore(dump / name / "feats.scp")
        self.pitch = FeatureStore(dump / name / "f0.scp")
        self.speakers = read_table(data / name / "utt2spk")
        lengths = self.store.lengths()
        left_out: dict[str, str] = {}
        self.labelled: dict[str, Labelled] = {}
        if tokens is not None:
            self.labelled = read_labelled(data / name, lengths, tokens, left_out)
        for utt in lengths:
            seconds = lengths[utt] / 100
            if limits is not None and not limits.min_s <= seconds <= limits.max_s:
                left_out[utt] = f"{seconds:.2f} s long, allowed are {limits.min_s} to {limits.max_s} s"
            elif (
                limits is not None
                and limits.max_phones
                and utt in self.labelled
                and len(self.labelled[utt].phones) > limits.max_phones
            ):
                left_out[utt] = f"{len(self.labelled[utt].phones)} phones, allowed are {limits.max_phones}"
        self.utts = sorted(u for u in lengths if u not in left_out and (tokens is None or u in self.labelled))
        self.lengths = [lengths[u] // FACTOR * FACTOR for u in self.utts]
        if report is not None:
            rows = [{"set": name, "utt": u, "reason": r} for u, r in sorted(left_out.items())]
            write_tsv(report, rows, ["set", "utt", "reason"])
        if not self.utts:
            reasons = shortened([f"{u}: {r}" for u, r in left_out.items()])
            raise DataError(f"no utterance of {name} can be used", reasons, fix="see the reasons")

    def mel_view(self, utt: str) -> np.ndarray:
        """Log-mel (T, n_mels) of an utterance, T floored to a multiple of 4: read-only, nothing is read yet."""
        feats = self.store[utt]
        return feats[: len(feats) // FACTOR * FACTOR]

    def f0_view(self, utt: str) -> np.ndarray:
        """F0 (T,) of an utterance, as long as its mel, likewise."""
        f0 = self.pitch[utt]
        return f0[: len(f0) // FACTOR * FACTOR]

    def mel(self, utt: str) -> torch.Tensor:
        """A copy of the log-mel (T, n_mels) of an utterance."""
        return torch.from_numpy(np.array(self.mel_view(utt), dtype=np.float32))

    def f0_hz(self, utt: str) -> torch.Tensor:
        """A copy of F0 (T,) of an utterance."""
        return torch.from_numpy(np.array(self.f0_view(utt), dtype=np.float32))


def read_labelled(folder: Path, lengths: Mapping[str, int], tokens: TokenList, left_out: dict[str, str]) -> dict[str, Labelled]:
    """Phones and durations of a set from its `phones.ctm`; fills `left_out` with reasons."""
    path = folder / "phones.ctm"
    if not path.exists():
        raise DataError(f"{path} is missing", expected="aligned phones", fix="run stage 4 (align)")
    labels, found = LabelSet(tokens), {}
    aligned = read_ctm(path)
    for utt, frames in lengths.items():
        if utt not in aligned:
            left_out[utt] = "not aligned, see ali_report.tsv"
            continue
        usable = frames // FACTOR * FACTOR
        names, durations = to_durations(aligned[utt], usable)
        unknown = sorted({n for n in names if n not in tokens})
        if unknown:
            left_out[utt] = f"phones that are not in the token list: {' '.join(unknown)}"
            continue
        ids = np.array([tokens.id(n) for n in names], dtype=np.int64)
        durations = np.asarray(durations, dtype=np.int64)
        frame_labels = labels.of_token[ids[frame_phones(durations, FACTOR)]]
        spoken = labels.ids([n for n in names if n != SILENCE])
        needed = len(spoken) + int((spoken[1:] == spoken[:-1]).sum())  # a blank parts equal neighbours
        if needed > usable // 2:
            left_out[utt] = f"its phones need {needed} frames of 20 ms for CTC, it has {usable // 2}"
            continue
        found[utt] = Labelled(ids, durations, frame_labels.astype(np.int64), spoken)
    return found


def draw(seed: int, step: int, *words: str) -> np.random.Generator:
    """Random numbers keyed by seed, step and words, whatever was drawn before."""
    key = [seed, step, *(int.from_bytes(w.encode()[-12:], "little") for w in words)]
    return np.random.default_rng(key)


def clip(mel: np.ndarray, frames: int, where: float) -> np.ndarray:
    """A part of `frames` frames (floored to a multiple of 4) that starts at the share `where` of what is free."""
    frames = min(frames, len(mel)) // FACTOR * FACTOR
    start = int(where * (len(mel) - frames + 1)) if len(mel) > frames else 0
    return mel[start : start + frames]


def pad_labels(items: Sequence[np.ndarray], value: int = 0, multiple: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Stack integer arrays of different length; see `pad_stack`."""
    return pad_stack([torch.from_numpy(np.asarray(i, dtype=np.int64)) for i in items], value, multiple)
