"""Signal measures between speech files: mel-cepstral distance, PESQ, STOI, F0, speaking rate.

Audio is float64 in [-1, 1], (samples,). A measure that an item cannot have is None; notes count such items.
"""

import warnings

import numpy as np
import pesq
import pystoi
import soxr
from mel_cepstral_distance import computation

from ctaplib.audio.features import world_f0

F0_FLOOR_HZ, F0_CEILING_HZ, F0_STEP_S = 60.0, 600.0, 0.010
_PESQ_RATE_HZ = 16000
_MEL_RANGE_BEL = 8.0
_BANDS, _FIRST, _LAST = 20, 1, 16
_WINDOW_MS, _HOP_MS = 32.0, 8.0
_SPEECH_BELOW_PEAK_DB = 30.0
_SHORTEST_S = 0.1


def f0_track(audio: np.ndarray, rate_hz: int) -> np.ndarray:
    """Track F0 in Hz every 10 ms, 0 where unvoiced (60 to 600 Hz)."""
    if len(audio) < _SHORTEST_S * rate_hz:
        return np.zeros(max(1, int(len(audio) / rate_hz / F0_STEP_S)))
    return world_f0(audio, rate_hz, F0_STEP_S, F0_FLOOR_HZ, F0_CEILING_HZ)


def voiced_median_hz(*tracks: np.ndarray) -> float | None:
    """Compute the median over the voiced frames of all tracks; None where there are none."""
    voiced = np.concatenate([track[track > 0] for track in tracks])
    return float(np.median(voiced)) if len(voiced) else None


def f0_offset_st(f0_hz: float | None, target_hz: float | None) -> float | None:
    """Compute abs(12 log2(f0 / target)) in semitones."""
    if f0_hz is None or target_hz is None:
        return None
    return abs(12.0 * float(np.log2(f0_hz / target_hz)))


def _both_voiced(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    frames = min(len(first), len(second))
    both = (first[:frames] > 0) & (second[:frames] > 0)
    return np.log2(first[:frames][both]), np.log2(second[:frames][both])


def f0_correlation(first: np.ndarray, second: np.ndarray, least_frames: int = 10) -> float | None:
    """Compute the Pearson correlation of log F0 over frames voiced in both; None with too few or constant F0."""
    a, b = _both_voiced(first, second)
    if len(a) < least_frames or np.ptp(a) < 1e-9 or np.ptp(b) < 1e-9:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def f0_rmse_st(first: np.ndarray, second: np.ndarray, least_frames: int = 10) -> float | None:
    """Compute the root mean square difference in semitones over frames voiced in both; None with too few."""
    a, b = _both_voiced(first, second)
    if len(a) < least_frames:
        return None
    return 12.0 * float(np.sqrt(np.mean((a - b) ** 2)))


def mel_bels(audio: np.ndarray, rate_hz: int) -> np.ndarray:
    """Compute the log10 mel energies of `mel-cepstral-distance` (20 bands, 32 ms, 8 ms), (frames, 20).

    Deviation: energies have a floor of 80 dB under the file's maximum. Otherwise digital silence, which only synthetic
    speech has, would outweigh everything else.
    """
    window = int(_WINDOW_MS / 1000 * rate_hz)
    hop = int(_HOP_MS / 1000 * rate_hz)
    audio = audio / max(float(np.max(np.abs(audio))), 1e-9)
    audio = np.pad(audio, (0, max(0, window + 1 - len(audio))))
    frames = np.lib.stride_tricks.sliding_window_view(audio, window)[: len(audio) - window : hop]
    spectrum = np.fft.rfft(frames * np.hanning(window), n=window)
    bels = computation.get_X_kn(spectrum, computation.get_w_n_m(rate_hz, window, _BANDS, 0, rate_hz // 2))
    return np.maximum(bels, bels.max() - _MEL_RANGE_BEL)


def mel_cepstral_distance_db(first_bels: np.ndarray, second_bels: np.ndarray) -> float:
    """Compute the mean distance of the mel cepstra (coefficients 1 to 15) of two sequences of equal length.

    Source: R. Kubichek, "Mel-cepstral distance measure for objective speech quality assessment" (1993), as in
    the package `mel-cepstral-distance`, whose mel bands and cosine transform are used.
    """
    first, second = (computation.get_MC_X_ik(bels, _BANDS) for bels in (first_bels, second_bels))
    return float(computation.get_average_MCD(computation.get_MCD_k(first, second, _FIRST, _LAST)))


def warp(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compute the exact dynamic time warping path of two sequences: steps (1,0), (0,1), (1,1), Euclidean cost.

    Args:
        first: (frames, features).
        second: (other frames, features).

    Returns:
        (steps, 2) pairs of frame indices from (0, 0) to both last frames.
    """
    rows, columns = len(first), len(second)
    squared = (first**2).sum(1)[:, None] + (second**2).sum(1)[None] - 2.0 * first @ second.T
    cost = np.sqrt(np.maximum(squared, 0.0))
    back = np.zeros((rows, columns), np.int8)
    before = np.full(rows + 1, np.inf)  # diagonal d - 2, index i + 1
    last = np.full(rows + 1, np.inf)  # diagonal d - 1
    for diagonal in range(rows + columns - 1):
        index = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        ways = np.stack([before[index], last[index], last[index + 1]])  # from (i-1, j-1), (i-1, j), (i, j-1)
        if diagonal == 0:
            ways[0, 0] = 0.0
        choice = ways.argmin(0)
        back[index, diagonal - index] = choice
        before, last = last, np.full(rows + 1, np.inf)
        last[index + 1] = ways[choice, np.arange(len(index))] + cost[index, diagonal - index]
    i, j = rows - 1, columns - 1
    path = [(i, j)]
    while i or j:
        choice = back[i, j]
        i, j = i - (choice != 2), j - (choice != 1)
        path.append((i, j))
    return np.asarray(path[::-1])


def pesq_wb(audio: np.ndarray, reference: np.ndarray, rate_hz: int) -> float | None:
    """Compute wide-band PESQ (ITU-T P.862.2) at 16 kHz; None where it finds no speech."""
    first, second = _cut(reference, audio)
    if rate_hz != _PESQ_RATE_HZ:
        first, second = (soxr.resample(x, rate_hz, _PESQ_RATE_HZ) for x in (first, second))
    if not first.any() or not second.any():
        return None
    try:
        return float(pesq.pesq(_PESQ_RATE_HZ, first, second, "wb"))
    except (pesq.NoUtterancesError, pesq.BufferTooShortError):
        return None


def stoi(audio: np.ndarray, reference: np.ndarray, rate_hz: int) -> float | None:
    """Compute short-time objective intelligibility; None with under 0.4 s of speech."""
    first, second = _cut(reference, audio)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Not enough STFT frames", category=RuntimeWarning)
        try:
            value = float(pystoi.stoi(first, second, rate_hz))
        except (RuntimeWarning, ValueError):
            return None
    return value if np.isfinite(value) else None


def _cut(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    samples = min(len(first), len(second))
    return first[:samples], second[:samples]


def speech_duration_s(audio: np.ndarray, rate_hz: int) -> float | None:
    """Measure from the first to the last 10 ms within 30 dB of the loudest 10 ms; None for silence."""
    hop = max(1, int(0.010 * rate_hz))
    power = np.square(audio[: len(audio) // hop * hop]).reshape(-1, hop).mean(1)
    if not len(power) or power.max() <= 0:
        return None
    loud = np.flatnonzero(power >= power.max() * 10 ** (-_SPEECH_BELOW_PEAK_DB / 10))
    return float((loud[-1] - loud[0] + 1) * hop / rate_hz)


def compare_synthesis(audio: np.ndarray, natural: np.ndarray, rate_hz: int) -> dict[str, float | None]:
    """Compare synthesised speech with a natural reading of the same sentence; all metrics are None for silence.

    Distances are along the warping path; the speaking rate deviates by abs(natural / synthesised - 1).
    """
    bels, natural_bels = mel_bels(audio, rate_hz), mel_bels(natural, rate_hz)
    duration, natural_duration = speech_duration_s(audio, rate_hz), speech_duration_s(natural, rate_hz)
    if duration is None or natural_duration is None:
        return dict.fromkeys(("mcd_db", "f0_rmse_st", "speaking_rate_dev_pct"))
    path = warp(bels, natural_bels)
    tracks = [f0_track(x, rate_hz) for x in (audio, natural)]
    centres = (path * _HOP_MS / 1000 + _WINDOW_MS / 2000) / F0_STEP_S
    steps = [np.minimum(np.round(centres[:, k]).astype(int), len(tracks[k]) - 1) for k in (0, 1)]
    return {
        "mcd_db": mel_cepstral_distance_db(bels[path[:, 0]], natural_bels[path[:, 1]]),
        "f0_rmse_st": f0_rmse_st(tracks[0][steps[0]], tracks[1][steps[1]]),
        "speaking_rate_dev_pct": 100.0 * abs(natural_duration / duration - 1.0),
    }


def compare_resynthesis(audio: np.ndarray, original: np.ndarray, rate_hz: int) -> dict[str, float | None]:
    """Compare resynthesised speech with its original over the common length, frame by frame (no warping)."""
    bels, original_bels = mel_bels(audio, rate_hz), mel_bels(original, rate_hz)
    frames = min(len(bels), len(original_bels))
    return {
        "pesq_wb": pesq_wb(audio, original, rate_hz),
        "stoi": stoi(audio, original, rate_hz),
        "mcd_db": mel_cepstral_distance_db(bels[:frames], original_bels[:frames]),
    }
