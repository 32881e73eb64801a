"""The tiled contrastive loss beside forms that hold the whole similarity matrix: time, memory, equality.

Forms, forward and backward over `--frames` pairs of width `--width`, one process and thread each:

    plain       two matrices of logits, speech to phonemes and the reverse, as CLIP trainers have it
    one_matrix  one matrix of logits, cross entropy on it and on its transpose
    tiled       ours, float32
    tiled_bf16  ours, products in bfloat16

Ratios are to `plain`. Equality is the norm of the difference over the norm, against float64 by row blocks.

    python tests/bench/bench_contrastive.py --frames 16384 --width 512 --json contrastive.json
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import fresh
import torch
from torch.nn.functional import cross_entropy, normalize
from torch.utils.checkpoint import checkpoint

from ctaplib.losses.infonce import plain_infonce, symmetric_infonce

FORMS = ("plain", "one_matrix", "tiled", "tiled_bf16")
SCALE = 14.3
PARTS = ("value", "grad S", "grad P", "grad tau")
LIMITS = {"time": 0.7, "memory": 0.08, "equality": 1e-5}


def inputs(frames: int, width: int, kind: torch.dtype) -> list[torch.Tensor]:
    """Pairs whose positives are nearer than chance, as in training, and the scale."""
    generator = torch.Generator().manual_seed(0)
    speech = torch.randn(frames, width, generator=generator)
    phonemes = torch.randn(frames, width, generator=generator).add_(speech, alpha=0.3)
    pair = [normalize(each, dim=1).to(kind) for each in (speech, phonemes)]
    return [each.requires_grad_() for each in (*pair, torch.tensor(SCALE, dtype=kind))]


def plain(speech: torch.Tensor, phonemes: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    own = torch.arange(len(speech))
    there = cross_entropy(scale * speech @ phonemes.T, own, reduction="sum")
    return (there + cross_entropy(scale * phonemes @ speech.T, own, reduction="sum")) / 2


def by_blocks(speech: torch.Tensor, phonemes: torch.Tensor, scale: torch.Tensor, block: int = 512) -> torch.Tensor:
    """The plain form over blocks of rows, recomputed in backward: the reference."""

    def part(rows: torch.Tensor, columns: torch.Tensor, start: int) -> torch.Tensor:
        own = torch.arange(start, start + len(rows))
        return cross_entropy(scale * rows @ columns.T, own, reduction="sum")

    total = torch.zeros((), dtype=speech.dtype)
    for start in range(0, len(speech), block):
        for first, second in ((speech, phonemes), (phonemes, speech)):
            total = total + checkpoint(part, first[start : start + block], second, start, use_reentrant=False)
    return total / 2


def form_of(name: str):
    if name == "tiled_bf16":
        return lambda *pair: symmetric_infonce(*pair, bf16=True)
    return {
        "plain": plain,
        "one_matrix": plain_infonce,
        "tiled": symmetric_infonce,
        "reference": by_blocks,
    }[name]


def one(arguments: argparse.Namespace) -> None:
    """Measure one form, and save its value and gradients where asked."""
    torch.set_num_threads(arguments.threads)
    form = form_of(arguments.form)
    small = inputs(256, arguments.width, torch.float32)
    form(*small).backward()
    kind = torch.float64 if arguments.form == "reference" else torch.float32
    pair = inputs(arguments.frames, arguments.width, kind)
    values = []

    def work() -> None:
        values.append(form(*pair))
        values[0].backward()

    figures = fresh.measure(work)
    target = Path(arguments.save_in) / arguments.form if arguments.save_in else arguments.save
    if target:
        torch.save([values[0].detach(), *[each.grad for each in pair]], target)
    print(json.dumps(figures))


def equality(arguments: argparse.Namespace, shape: list[str], folder: Path) -> dict[str, dict[str, float]]:
    """Compare value and gradients that every form left in a folder with the float64 reference."""
    path = str(folder / "reference")
    fresh.run_form(__file__, ["--form", "reference", "--save", path, *shape], arguments.threads)
    reference = torch.load(path, weights_only=True)
    found = {}
    for form in FORMS:
        parts = zip(PARTS, torch.load(folder / form, weights_only=True), reference, strict=True)
        found[form] = {name: float((mine.double() - want).norm() / want.norm()) for name, mine, want in parts}
    return found


def growth_of(arguments: argparse.Namespace) -> list[dict[str, float]]:
    """Measure the tiled form at a quarter and half of the frames, and at all."""
    found = []
    for frames in (arguments.frames // 4, arguments.frames // 2, arguments.frames):
        shape = ["--frames", str(frames), "--width", str(arguments.width)]
        figures = fresh.run_form(__file__, ["--form", "tiled", *shape], arguments.threads)
        found.append({"frames": frames, **figures})
    return found


def report(arguments: argparse.Namespace) -> dict[str, object]:
    """Measure all forms and print a table."""
    shape = ["--frames", str(arguments.frames), "--width", str(arguments.width)]
    shape += ["--threads", str(arguments.threads)]
    with tempfile.TemporaryDirectory() as folder:
        figures = fresh.compare(__file__, FORMS, [*shape, "--save-in", folder], arguments.rounds, arguments.threads)
        equal = equality(arguments, shape, Path(folder))
    base, ours = figures["plain"], figures["tiled"]
    head = ["form", "CPU s", "ratio", "extra MB", "ratio", *PARTS]
    rows: list[list[object]] = [head]
    for form, each in figures.items():
        ratios = [each["cpu_s"] / base["cpu_s"], each["peak_extra_mb"] / base["peak_extra_mb"]]
        rows.append([form, each["cpu_s"], ratios[0], each["peak_extra_mb"], ratios[1], *equal[form].values()])
    print(f"{arguments.frames} pairs of width {arguments.width}, {arguments.rounds} rounds")
    print(fresh.table(rows))
    growth = growth_of(arguments)
    print("tiled, memory by frames:")
    print(fresh.table([["frames", "extra MB"], *[[each["frames"], each["peak_extra_mb"]] for each in growth]]))
    ratios = {
        "time": ours["cpu_s"] / base["cpu_s"],
        "memory": ours["peak_extra_mb"] / base["peak_extra_mb"],
        "equality": max(equal["tiled"].values()),
    }
    for name, value in ratios.items():
        verdict = "reached" if value <= LIMITS[name] else "MISSED"
        print(f"tiled, {name}: {value:.3g}, at most {LIMITS[name]:g}: {verdict}")
    found = {"figures": figures, "equality": equal, "growth": growth, "ratios": ratios}
    return {"arguments": vars(arguments), **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=16384)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", help="file for all figures")
    parser.add_argument("--form", help="measure this form alone and print JSON")
    parser.add_argument("--save", help="with --form: file for value and gradients")
    parser.add_argument("--save-in", help="the same, a folder: the file is named as the form")
    arguments = parser.parse_args()
    if arguments.form:
        one(arguments)
        return
    found = report(arguments)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
