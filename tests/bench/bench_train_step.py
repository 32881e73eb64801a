"""One training step of a speech encoder of about 21 M parameters: 8 utterances of 600 frames of 80-band log-mel.

Forward, backward and a fused AdamW step, one thread. Peers: ESPnet2's Conformer (12 blocks of 256, feed-forward 1,024,
convolutional front to 25 Hz) and torchaudio's Conformer of the same sizes, which has no front and is given 150 frames of 256.
Ours is the speech encoder of the model, deep enough for the same number of parameters. bf16 is autocast.

    python tests/bench/bench_train_step.py --json train_step.json
"""

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import fresh

FORMS = [
    fresh.Form("espnet", "espnet", "espnet2"),
    fresh.Form("espnet_bf16", "espnet", "espnet2"),
    fresh.Form("torchaudio", "peers", "torchaudio"),
    fresh.Form("ours"),
    fresh.Form("ours_bf16"),
]
WIDTH, BLOCKS, MELS = 256, 12, 80
GOAL, GOAL_BF16, GOAL_OWN = 0.46, 0.25, 0.45


def encoder_of(name: str, quick: bool):
    """A module of (mel (B, T, 80), lengths) to (B, T', 256)."""
    blocks = 2 if quick else BLOCKS
    if name == "espnet":
        from espnet2.asr.encoder.conformer_encoder import ConformerEncoder

        return ConformerEncoder(
            MELS, output_size=WIDTH, attention_heads=4, linear_units=1024, num_blocks=blocks, input_layer="conv2d",
            macaron_style=True, pos_enc_layer_type="rel_pos", selfattention_layer_type="rel_selfattn", activation_type="swish",
            rel_pos_type="latest", use_cnn_module=True, cnn_module_kernel=31,
        )  # fmt: skip
    if name == "torchaudio":
        import torchaudio_here

        sizes = {"ffn_dim": 1024, "num_layers": blocks, "depthwise_conv_kernel_size": 31, "dropout": 0.1}
        return torchaudio_here.torchaudio.models.Conformer(WIDTH, 4, **sizes)
    from ctaplib.cli.main import _prepare_process
    from ctaplib.models.speech_encoder import SpeechEncoder, SpeechEncoderConfig
    from ctaplib.nn.blocks import StackConfig

    _prepare_process()  # as every command does
    stack = StackConfig(width=WIDTH, layers=blocks, hidden=1024 if quick else 1408, heads=4, kernel=3)
    return SpeechEncoder(SpeechEncoderConfig(stack=stack), MELS)


def prepare(form: str, quick: bool) -> Callable[[], object]:
    import torch

    torch.manual_seed(0)
    name, _, bf16 = form.partition("_")
    model = encoder_of(name, quick).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    frames = 120 if quick else 600
    batch = torch.randn(8, frames // 4, WIDTH) if name == "torchaudio" else torch.randn(8, frames, MELS)
    lengths = torch.full((8,), batch.shape[1])
    millions = sum(p.numel() for p in model.parameters()) / 1e6

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=bool(bf16)):
            out = model(batch, lengths)[0]
        loss = out.float().square().mean()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    def work() -> object:
        losses = [step() for _ in range(1 if quick else 3)]
        return {"parameters_m": millions, "finite": all(value == value and value < 1e6 for value in losses)}

    step()
    return work


def rows(figures: dict[str, fresh.Figures], quick: bool) -> list[fresh.Row]:
    broken = [name for name, found in figures.items() if not found["finite"]]
    if broken:
        raise SystemExit(f"the loss of {', '.join(broken)} is not finite")
    sizes = ", ".join(f"{name} {found['parameters_m']:.1f} M" for name, found in figures.items() if not name.endswith("bf16"))
    amx = "amx_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    cpu = {name: found["cpu_s"] for name, found in figures.items()}
    base = cpu.get("espnet")
    others = ", ".join(f"{name} {cpu[name] / base:.2f}" for name in cpu) if base else ""
    note = f"{sizes}; {others}"
    return [
        fresh.row("training step", base and cpu["ours"] / base, GOAL, of="ours", peer="ESPnet2 Conformer", note=note),
        fresh.row(
            "training step", base and cpu["ours_bf16"] / base, GOAL_BF16 if amx else None, of="ours, bf16",
            peer="ESPnet2 Conformer", note="" if base else "ESPnet is not installed",
        ),
        fresh.row("training step", cpu["ours_bf16"] / cpu["ours"], GOAL_OWN if amx else None, of="ours, bf16", peer="ours, fp32"),
    ]  # fmt: skip


if __name__ == "__main__":
    fresh.main(__file__, __doc__, FORMS, prepare, rows)
