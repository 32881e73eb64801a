"""Log-mel in memory: 80 bands, 24 kHz, window 960 in a transform of 1,024, hop 240, of twenty waves of 5 s, one thread.

Peers compute the same magnitude mel (Slaney's scale and norm) of the same waves: torchaudio, torch.stft with a filter bank,
librosa. kaldi-native-fbank's bands differ (power, Kaldi's scale), so it is compared in time alone.

    python tests/bench/bench_logmel.py --json logmel.json
"""

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import fresh
import numpy as np

RATE, FFT, WINDOW, HOP, MELS, GOAL = 24000, 1024, 960, 240, 80, 0.62
FORMS = [
    fresh.Form("torchaudio", "peers", "torchaudio"),
    fresh.Form("torch_stft", "peers", "torch torchaudio"),
    fresh.Form("librosa", "peers", "librosa"),
    fresh.Form("kaldi_native_fbank", "peers", "kaldi_native_fbank"),
    fresh.Form("ours"),
]


def waves_of(quick: bool) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [(0.1 * rng.normal(size=RATE * (1 if quick else 5))).astype(np.float32) for _ in range(2 if quick else 20)]


def call_of(form: str) -> Callable[[np.ndarray], np.ndarray | None]:
    """From a wave to (T, 80)."""
    if form == "ours":
        from ctaplib.audio.features import log_mel
        from ctaplib.audio.settings import FeatureConfig
        from ctaplib.cli.main import _prepare_process

        _prepare_process()  # as every command does
        config = FeatureConfig(rate_hz=RATE, hop_samples=HOP, window_samples=WINDOW, fft_size=FFT, n_mels=MELS)
        return lambda wave: log_mel(wave, config)
    if form == "librosa":
        import librosa

        sizes = {"n_fft": FFT, "hop_length": HOP, "win_length": WINDOW, "n_mels": MELS, "power": 1.0}
        return lambda wave: np.log(np.maximum(librosa.feature.melspectrogram(y=wave, sr=RATE, **sizes), 1e-5)).T
    if form == "kaldi_native_fbank":
        import kaldi_native_fbank as knf

        options = knf.FbankOptions()
        options.frame_opts.samp_freq, options.frame_opts.dither = RATE, 0
        options.frame_opts.frame_length_ms, options.frame_opts.frame_shift_ms = 40, 10
        options.mel_opts.num_bins = MELS

        def kaldi(wave: np.ndarray) -> None:
            online = knf.OnlineFbank(options)
            online.accept_waveform(RATE, wave)
            online.input_finished()
            np.stack([online.get_frame(i) for i in range(online.num_frames_ready)])

        return kaldi
    import torch
    import torchaudio_here

    ta = torchaudio_here.torchaudio
    if form == "torchaudio":
        mel = ta.transforms.MelSpectrogram(RATE, FFT, WINDOW, HOP, n_mels=MELS, power=1.0, norm="slaney", mel_scale="slaney")
        return lambda wave: mel(torch.from_numpy(wave)).clamp_min(1e-5).log().T.numpy()
    bank = ta.functional.melscale_fbanks(FFT // 2 + 1, 0.0, RATE / 2, MELS, RATE, "slaney", "slaney")
    window = torch.hann_window(WINDOW)

    def stft(wave: np.ndarray) -> np.ndarray:
        spectrum = torch.stft(torch.from_numpy(wave), FFT, HOP, WINDOW, window, return_complex=True)
        return (spectrum.abs().T @ bank).clamp_min(1e-5).log().numpy()

    return stft


def prepare(form: str, quick: bool) -> Callable[[], object]:
    waves, call = waves_of(quick), call_of(form)
    first = call(waves[0])
    # Frames differ by a shift of a fraction of a hop: the means of the bands are what must agree.
    facts = {} if first is None else {"band_means": [float(x) for x in first[4:-4].mean(0)]}
    facts["audio_s"] = sum(map(len, waves)) / RATE

    def work() -> object:
        for wave in waves:
            call(wave)
        return facts

    return work


def rows(figures: dict[str, fresh.Figures], quick: bool) -> list[fresh.Row]:
    mine = np.array(figures["ours"]["band_means"])
    for name, found in figures.items():
        if "band_means" in found and np.abs(np.array(found["band_means"]) - mine).mean() > 0.1:
            raise SystemExit(f"the bands of {name} differ from ours")
    if len(figures) == 1:
        return [fresh.row("log-mel in memory", None, GOAL, of="ours", peer="torchaudio", note="no peer is installed")]
    best = fresh.best_of(figures, ["ours"])
    cpu = {name: found["cpu_s"] for name, found in figures.items()}
    note = ", ".join(f"{name} {cpu[name] / cpu[best]:.2f}" for name in cpu)
    note += f"; {figures['ours']['audio_s'] / cpu['ours']:.0f} x real time"
    return [fresh.row("log-mel in memory", cpu["ours"] / cpu[best], GOAL, of="ours", peer=best, note=note)]


if __name__ == "__main__":
    fresh.main(__file__, __doc__, FORMS, prepare, rows)
