"""Settings of the features (`ctaplib.audio.features`); a module of its own, so that reading them does not import numpy."""

import difflib
from pathlib import Path

from pydantic import Field, model_validator

from ctaplib.config import Config
from ctaplib.config_file import read_saved
from ctaplib.errors import ConfigError


class FeatureConfig(Config):
    """The front end; written beside every archive of features as its header."""

    rate_hz: int = Field(24000, ge=8000, le=96000)
    """Sampling rate of the audio, Hz."""
    hop_samples: int = Field(240, ge=16)
    """Samples between frames (10 ms by default)."""
    window_samples: int = Field(960, ge=32)
    """Length of the Hann window, samples."""
    fft_size: int = Field(1024, ge=32)
    """Length of the Fourier transform, at least the window."""
    n_mels: int = Field(80, ge=8, le=256)
    """Mel bands."""
    fmin_hz: float = Field(0.0, ge=0)
    """Lower edge of the lowest band, Hz."""
    fmax_hz: float | None = None
    """Upper edge of the highest band, Hz; None: half the rate."""
    floor: float = Field(1e-5, gt=0)
    """Smallest band magnitude before the logarithm (our choice: that of most neural vocoders)."""
    f0_min_hz: float = Field(60.0, gt=20)
    """Lowest F0 searched for, Hz."""
    f0_max_hz: float = Field(600.0, le=1000)
    """Highest F0 searched for, Hz."""

    @model_validator(mode="after")
    def _fits(self) -> "FeatureConfig":
        if not self.hop_samples <= self.window_samples <= self.fft_size:
            raise ValueError("hop_samples <= window_samples <= fft_size must hold")
        if (self.window_samples - self.hop_samples) % 2:
            raise ValueError("window_samples - hop_samples must be even, so that frames are centred")
        if not self.fmin_hz < self.top_hz <= self.rate_hz / 2:
            raise ValueError("fmin_hz < fmax_hz <= rate_hz / 2 must hold")
        if self.f0_min_hz >= self.f0_max_hz:
            raise ValueError("f0_min_hz must be below f0_max_hz")
        return self

    @property
    def top_hz(self) -> float:
        """Upper edge of the highest band, Hz."""
        return self.rate_hz / 2 if self.fmax_hz is None else self.fmax_hz

    @property
    def hop_s(self) -> float:
        """Seconds between frames."""
        return self.hop_samples / self.rate_hz

    @property
    def frames_per_s(self) -> float:
        """Frames in one second."""
        return self.rate_hz / self.hop_samples

    @property
    def pad_samples(self) -> int:
        """Samples mirrored at each end, so that T = floor(samples / hop)."""
        return (self.window_samples - self.hop_samples) // 2

    def frames(self, samples: int) -> int:
        """Return the number of frames of a wave."""
        return samples // self.hop_samples


def read_feature_config(path: str | Path) -> FeatureConfig:
    """Read the header `features.yaml` of a dump directory or a run.

    Raises:
        ConfigError: The file is missing or is not such a header; names the sets that have features.
    """
    path = Path(path)
    if not path.exists() and not any((path.parent / name).exists() for name in ("config.yaml", "config.json")):
        check_set(path.parent)  # a run's folder has its config beside it
    values = read_saved(path, "the settings that its features were made with", "run stage 3 (ctap features) again")
    return FeatureConfig.model_validate({k: v for k, v in values.items() if k in FeatureConfig.model_fields})


def check_set(folder: Path) -> None:
    """Make sure that a set has features.

    Args:
        folder: Folder of its features, `dump/<set>`.

    Raises:
        ConfigError: It has none; names the sets that have some, and the one whose name is nearest.
    """
    if (folder / "feats.scp").exists():
        return
    sets = sorted(found.parent.name for found in folder.parent.glob("*/feats.scp"))
    near = difflib.get_close_matches(folder.name, sets, 1)
    raise ConfigError(
        f"there is no set {folder.name} in {folder.parent}: {folder / 'feats.scp'} is missing",
        expected=f"one of {', '.join(sets)}" if sets else "a set with features",
        fix=("correct its name" + (f" (did you mean {near[0]}?)" if near else "") + ", or " if sets else "")
        + "run stage 3 (ctap features), which makes it",
    )
