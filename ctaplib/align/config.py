"""Settings of the forced aligner."""

from pydantic import Field, model_validator

from ctaplib.audio.settings import FeatureConfig
from ctaplib.config import Config


class BootstrapConfig(Config):
    """The first alignment, by Gaussian mixtures."""

    minutes: float = Field(20.0, gt=0)
    """Audio that the mixtures are trained on, minutes, spread evenly over the training set."""
    iterations: int = Field(10, ge=1, le=100)
    """Iterations of alignment and re-estimation."""
    splits: tuple[int, ...] = (3, 6)
    """Iterations before which every Gaussian is split into two."""
    n_cepstra: int = Field(13, ge=5, le=40)
    """Cepstra in the input of the mixtures, with first and second differences."""
    quiet_share: float = Field(0.2, gt=0, lt=1)
    """Frames with a level below this share of the way from the quietest to the loudest are silence at first."""


class NetworkConfig(Config):
    """The final alignment, by a small convolutional network."""

    minutes: float = Field(120.0, gt=0)
    """Audio that the network is trained on, minutes, spread evenly over the training set."""
    width: int = Field(128, ge=8, le=1024)
    """Channels."""
    dilations: tuple[int, ...] = (1, 2, 3)
    """Dilation of each layer of three taps, in pairs of frames."""
    passes: tuple[float, ...] = (1.0, 1.0, 1.0)
    """Epochs before each realignment; the network is not initialised again."""
    chunk_frames: int = Field(256, ge=32)
    """Frames of a chunk, even."""
    prior_weight: float = Field(0.5, ge=0, le=1)
    """Factor of the log-prior that is subtracted from the log-posterior of a class."""


class AlignConfig(Config):
    """Settings of the aligner: front end, states, pauses, training, and what counts as a failure."""

    seed: int = Field(1, ge=0)
    """Seed of weights and of the order of chunks."""
    hop_s: float = Field(0.005, ge=0.0025, le=0.02)
    """Hop of the front end, seconds."""
    window_s: float = Field(0.020, ge=0.005, le=0.05)
    """Length of the analysis window, seconds; short, so that edges stay sharp."""
    onset_lead: float = Field(0.2, ge=0, le=0.5)
    """Time by which features show a sound early, as the window looks ahead, in window lengths (our choice, on mini's dev set)."""
    n_mels: int = Field(40, ge=12, le=128)
    """Mel bands."""
    pattern: tuple[int, ...] = (0, 0, 0)
    """Class of each state of a phone; its length is the least duration in frames (our choice: one class, three states)."""
    drop_tone: bool = False
    """Model a tone-bearing final (`ang4`) without its tone."""
    min_pause_s: float = Field(0.06, ge=0)
    """Between words, shorter silences are merged into a neighbour."""
    max_closure_s: float = Field(0.15, ge=0)
    """Within words, silences up to this are merged into a neighbour; longer ones are pauses."""
    stops: tuple[str, ...] = ()
    """Phones (without stress) that absorb a silence before them as closure; before others, it joins the previous phone."""
    change_score: float = -0.5
    """Log-score of a step to the next state."""
    silence_score: float = -2.0
    """Log-score of entering silence between phones."""
    min_score: float = -3.0
    """Least mean log-posterior of an utterance's frames; below it the utterance counts as not aligned."""
    max_unaligned_pct: float = Field(2.0, ge=0, le=100)
    """Share of unaligned utterances above which aligning a set is an error, per cent."""
    bootstrap: BootstrapConfig = BootstrapConfig()
    """First alignment."""
    network: NetworkConfig = NetworkConfig()
    """Final alignment."""

    @model_validator(mode="after")
    def _pattern_counts_up(self) -> "AlignConfig":
        steps = [b - a for a, b in zip(self.pattern, self.pattern[1:])]
        if not self.pattern or self.pattern[0] != 0 or any(step not in (0, 1) for step in steps):
            raise ValueError("pattern must start at 0 and go up by 0 or 1")
        if self.network.chunk_frames % 2:
            raise ValueError("network.chunk_frames must be even")
        return self

    def front_end(self, rate_hz: int) -> FeatureConfig:
        """Return the settings of the aligner's own log-mel, for audio of a sampling rate."""
        hop, window = round(self.hop_s * rate_hz), round(self.window_s * rate_hz)
        window += (window - hop) % 2
        fft_size = 1 << (window - 1).bit_length()
        return FeatureConfig(
            rate_hz=rate_hz, hop_samples=hop, window_samples=window, fft_size=fft_size, n_mels=self.n_mels, fmin_hz=50.0
        )
