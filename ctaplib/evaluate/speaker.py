"""The speaker judge: Resemblyzer's encoder, with its own weights, run in batches.

It gives the numbers of `resemblyzer.VoiceEncoder.embed_utterance(preprocess_wav(path))` without importing librosa:
the mel spectrogram is computed here, and the 1.6 s pieces of many utterances go through the LSTM together.

Source: L. Wan et al., "Generalized end-to-end loss for speaker verification" (arXiv 1710.10467); weights of
the package Resemblyzer.
"""

import hashlib
import importlib.util
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ctaplib.audio.features import slaney_bank
from ctaplib.audio.files import read_audio
from ctaplib.errors import DependencyError
from ctaplib.files import atomic_write

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports pkg_resources, which warns of its own removal
    import webrtcvad

_RATE_HZ, _FFT, _HOP, _BANDS = 16000, 400, 160, 40
_PIECE_FRAMES, _STEP_FRAMES, _LEAST_COVERAGE = 160, 77, 0.75
_VAD_SAMPLES, _VAD_SMOOTH, _VAD_GROW = 480, 8, 7
_LOUDNESS_DB = -30.0
_INT16_MAX = 32767
_BATCH = 128


class Encoder(nn.Module):
    """Three LSTM layers over mel frames; the last state, projected, rectified and normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(_BANDS, 256, 3, batch_first=True)
        self.linear = nn.Linear(256, 256)

    def forward(self, mels: torch.Tensor) -> torch.Tensor:
        """Embed pieces.

        Args:
            mels: (pieces, 160, 40), power, not logarithmic.

        Returns:
            (pieces, 256) of unit length.
        """
        _, (hidden, _) = self.lstm(mels)
        raw = torch.relu(self.linear(hidden[-1]))
        return raw / raw.norm(dim=1, keepdim=True)


@lru_cache(maxsize=1)
def load_encoder() -> Encoder:
    """Load the encoder with the weights of the installed package.

    Raises:
        DependencyError: Resemblyzer is not installed.
    """
    spec = importlib.util.find_spec("resemblyzer")
    if spec is None or not spec.submodule_search_locations:
        raise DependencyError("the package resemblyzer is not installed", fix="run tools/install.sh")
    weights = Path(spec.submodule_search_locations[0]) / "pretrained.pt"
    state = torch.load(weights, map_location="cpu", weights_only=True)["model_state"]
    encoder = Encoder()
    encoder.load_state_dict({name: value for name, value in state.items() if name.split(".")[0] in ("lstm", "linear")})
    return encoder.eval()


def preprocess(audio: np.ndarray) -> np.ndarray:
    """Raise quiet audio to -30 dBFS and cut long pauses (WebRTC voice detector, mode 3).

    Args:
        audio: (samples,) at 16 kHz.

    Returns:
        (fewer samples,); empty when no voice is found.
    """
    rms = float(np.sqrt(np.mean(audio**2))) if len(audio) else 0.0
    if rms == 0.0:
        return np.zeros(0)
    gain_db = _LOUDNESS_DB - 20 * np.log10(rms)
    if gain_db > 0:
        audio = audio * 10 ** (gain_db / 20)
    audio = audio[: len(audio) // _VAD_SAMPLES * _VAD_SAMPLES]
    return audio[np.repeat(_voiced(audio), _VAD_SAMPLES)] if len(audio) else audio


def _voiced(audio: np.ndarray) -> np.ndarray:
    """Return which 30 ms windows to keep: the detector's, smoothed over 8 windows, grown by 3 on either side."""
    pcm = np.round(audio * _INT16_MAX).astype(np.int16).tobytes()
    size = 2 * _VAD_SAMPLES
    vad = webrtcvad.Vad(mode=3)
    flags = [vad.is_speech(pcm[start : start + size], sample_rate=_RATE_HZ) for start in range(0, len(pcm), size)]
    padded = np.concatenate([np.zeros((_VAD_SMOOTH - 1) // 2), flags, np.zeros(_VAD_SMOOTH // 2)])
    smooth = np.round(np.convolve(padded, np.ones(_VAD_SMOOTH), "valid") / _VAD_SMOOTH) > 0
    return np.convolve(smooth, np.ones(_VAD_GROW), "same")[: len(smooth)] > 0.5


def mel_power(audio: np.ndarray) -> np.ndarray:
    """Compute the mel power spectrogram, (frames, 40): 25 ms Hann, 10 ms hop, zero-padded ends, Slaney's bands."""
    padded = np.pad(audio, _FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::_HOP]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FFT) / _FFT)
    spectrum = np.fft.rfft(frames * window)
    return ((spectrum.real**2 + spectrum.imag**2) @ slaney_bank(_RATE_HZ, _FFT, _BANDS)).astype(np.float32)


def pieces(audio: np.ndarray) -> np.ndarray:
    """Cut the mel spectrogram into overlapping pieces of 1.6 s, (pieces, 160, 40)."""
    frames = int(np.ceil((len(audio) + 1) / _HOP))
    starts = list(range(0, max(1, frames - _PIECE_FRAMES + _STEP_FRAMES + 1), _STEP_FRAMES))
    covered = (len(audio) - starts[-1] * _HOP) / (_PIECE_FRAMES * _HOP)
    if covered < _LEAST_COVERAGE and len(starts) > 1:
        starts.pop()
    end = (starts[-1] + _PIECE_FRAMES) * _HOP
    mel = mel_power(np.pad(audio, (0, max(0, end - len(audio)))))
    return np.stack([mel[start : start + _PIECE_FRAMES] for start in starts])


def embed_files(paths: Sequence[Path]) -> list[np.ndarray | None]:
    """Embed files, each (256,) of unit length; None where no voice is found.

    Raises:
        AudioError: a file cannot be read.
    """
    torch.set_num_threads(1)
    waves = [preprocess(read_audio(path, _RATE_HZ, dtype=np.float64)[0]) for path in paths]
    mels = [pieces(wave) for wave in waves if len(wave)]
    if not mels:
        return [None] * len(waves)
    with torch.inference_mode():
        flat = torch.from_numpy(np.concatenate(mels))
        parts = torch.cat([load_encoder()(part) for part in flat.split(_BATCH)]).numpy()
    ends = np.cumsum([len(m) for m in mels])
    means = iter([unit(part.mean(0)) for part in np.split(parts, ends[:-1])])
    return [next(means) if len(wave) else None for wave in waves]


def unit(vector: np.ndarray) -> np.ndarray:
    """Scale a vector to length one."""
    return vector / np.linalg.norm(vector)


def mean_embedding(embeddings: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """Compute the normalised mean of a speaker's embeddings; None where one of them is missing."""
    present = [e for e in embeddings if e is not None]
    return unit(np.mean(present, axis=0)) if present and len(present) == len(embeddings) else None


def cosine(first: np.ndarray | None, second: np.ndarray | None) -> float | None:
    """Compute the cosine of two unit vectors; None where one is missing."""
    return None if first is None or second is None else float(first @ second)


def content_key(path: Path) -> str:
    """Compute the digest of a file's bytes."""
    return hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()


def read_cache(path: Path) -> dict[str, np.ndarray | None]:
    """Read embeddings by digest, None where no voice was found; an absent file is an empty cache."""
    if not path.exists():
        return {}
    with np.load(path) as archive:
        return {digest: row if row.size else None for digest, row in archive.items()}


def write_cache(path: Path, embeddings: Mapping[str, np.ndarray | None]) -> None:
    """Write all embeddings at once: a later run must see all of a run or nothing."""
    rows = {digest: np.zeros(0) if row is None else row for digest, row in embeddings.items()}
    with atomic_write(path, "wb") as out:
        np.savez(out, **rows)  # type: ignore[arg-type]
