"""Ten seconds of speech: mel to wave, wave to codes, codes to wave, one thread, networks with untrained weights.

Peers: Vocos (13.5 M, its 24 kHz configuration), and from transformers Mimi and EnCodec in their default configurations (24 kHz,
Mimi with 8 of its 32 books). Ours: the vocoder and the model of conf/vqctap/base.yaml, with features and code search. Weights
decide the sound and not the time; the codes are of other kinds, so nothing is compared but time and shapes.

    python tests/bench/bench_speech.py --json speech.json
"""

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import fresh

RATE, HOP = 24000, 240
GOALS = {"vocoding": 0.6, "wave to codes": 0.15, "codes to wave": 0.3}
FORMS = [
    fresh.Form("vocos vocoding", "peers", "vocos torchaudio encodec"),
    *[fresh.Form(f"{name} {part}", "peers", "transformers") for part in list(GOALS)[1:] for name in ("mimi", "encodec")],
    *[fresh.Form(f"ours {part}") for part in GOALS],
]
TASKS = {"vocoding": "vocos", "wave to codes": "mimi", "codes to wave": "mimi"}


def vocos(seconds: int) -> Callable[[], tuple[int, ...]]:
    import torch
    import torchaudio_here  # noqa: F401  # vocos imports torchaudio
    from vocos.heads import ISTFTHead
    from vocos.models import VocosBackbone

    backbone = VocosBackbone(input_channels=100, dim=512, intermediate_dim=1536, num_layers=8).eval()
    head = ISTFTHead(dim=512, n_fft=1024, hop_length=256).eval()
    mel = torch.randn(1, 100, seconds * RATE // 256)
    return lambda: tuple(head(backbone(mel)).shape)


def codec(name: str, part: str, seconds: int) -> Callable[[], tuple[int, ...]]:
    import torch
    import torchaudio_here  # noqa: F401  # transformers imports torchaudio where it is installed
    import transformers

    kind = {"mimi": "Mimi", "encodec": "Encodec"}[name]
    model = getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")()).eval()
    wave = torch.randn(1, 1, seconds * RATE) * 0.1
    books = {"num_quantizers": 8} if name == "mimi" else {"bandwidth": 6.0}
    found = model.encode(wave, **books)
    if part == "wave to codes":
        return lambda: tuple(model.encode(wave, **books).audio_codes.shape)
    scales = () if name == "mimi" else (found.audio_scales,)
    return lambda: tuple(model.decode(found.audio_codes, *scales).audio_values.shape)


def ours(part: str, seconds: int) -> Callable[[], tuple[int, ...]]:
    import numpy as np
    import torch

    from ctaplib.audio.features import log_mel
    from ctaplib.audio.settings import FeatureConfig
    from ctaplib.cli.main import _prepare_process
    from ctaplib.models.abilities import Content
    from ctaplib.models.vocoder import Vocoder, VocoderConfig
    from ctaplib.models.vqctap import VQCTAP
    from ctaplib.tasks.load import read_task_config

    _prepare_process()  # as every command does
    features = FeatureConfig(rate_hz=RATE, hop_samples=HOP)
    wave = (0.1 * np.random.default_rng(0).normal(size=seconds * RATE)).astype(np.float32)
    mel = torch.from_numpy(log_mel(wave, features))
    lengths = torch.tensor([len(mel)])
    vocoder = Vocoder(VocoderConfig(), features).eval()
    if part == "vocoding":
        return lambda: tuple(vocoder.generate([mel])[0].shape)
    config = read_task_config("vqctap", fresh.ROOT / "conf/vqctap/base.yaml", [])
    model = VQCTAP(config.model, 100, 50).eval()  # type: ignore[attr-defined]

    def encode() -> torch.Tensor:
        found = torch.from_numpy(log_mel(wave, features))[None]
        return model.content(found, lengths).quantized.codes

    if part == "wave to codes":
        return lambda: tuple(encode().shape)
    codes = encode()
    voice = model.prompt_encoder(model.normalize(mel[None]), lengths).mean

    def decode() -> tuple[int, ...]:
        spoken = model.speak(Content(model.quantizer.lookup(codes), codes >= 0), voice, ("",))
        return tuple(vocoder.generate([spoken.mel[0]])[0].shape)

    return decode


def prepare(form: str, quick: bool) -> Callable[[], object]:
    import torch

    torch.manual_seed(0)
    name, _, part = form.partition(" ")
    seconds = 1 if quick else 10
    call = ours(part, seconds) if name == "ours" else vocos(seconds) if name == "vocos" else codec(name, part, seconds)

    def work() -> object:
        with torch.inference_mode():
            return {"shape": "x".join(map(str, call()))}

    work()
    return work


def rows(figures: dict[str, fresh.Figures], quick: bool) -> list[fresh.Row]:
    found, seconds = [], 1 if quick else 10
    for part, goal in GOALS.items():
        cpu = {name.removesuffix(f" {part}"): each["cpu_s"] for name, each in figures.items() if name.endswith(part)}
        peer = TASKS[part]
        if figures[f"ours {part}"]["shape"] not in (f"{seconds * RATE}", f"1x{25 * seconds}"):
            raise SystemExit(f"ours, {part}: what came out has shape {figures[f'ours {part}']['shape']}")
        if peer not in cpu:
            found.append(fresh.row(part, None, goal, of="ours", peer=peer, note="not installed"))
            continue
        note = ", ".join(f"{name} {value / cpu[peer]:.2f}" for name, value in cpu.items())
        note += f"; {seconds / cpu['ours']:.0f} x real time; fp32, untrained weights"
        found.append(fresh.row(part, cpu["ours"] / cpu[peer], goal, of="ours", peer=peer, note=note))
    return found


if __name__ == "__main__":
    fresh.main(__file__, __doc__, FORMS, prepare, rows)
