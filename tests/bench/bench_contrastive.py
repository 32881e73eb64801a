"""The tiled contrastive loss beside forms that hold the whole similarity matrix: time, memory, equality.

Forms, forward and backward over `--frames` pairs of width `--width`, one process and thread each:

    plain       two matrices of logits, speech to phonemes and the reverse, as CLIP trainers have it
    one_matrix  one matrix of logits, cross entropy on it and on its transpose
    tiled       ours, float32
    tiled_bf16  ours, products in bfloat16

Ratios are to `plain`. Equality is the norm of the difference over the norm, against float64 by row blocks, at 1,024 pairs.
Several rounds at 8,192 pairs; one at 16,384; one of ours alone at 32,768, where the matrices of `plain` take 17 GB.

    python tests/bench/bench_contrastive.py --json contrastive.json
"""

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import fresh
import torch
from torch.nn.functional import cross_entropy, normalize
from torch.utils.checkpoint import checkpoint

from ctaplib.losses.infonce import symmetric_infonce

FORMS = [fresh.Form(name) for name in ("plain", "one_matrix", "tiled", "tiled_bf16")]
SCALE = 14.3
EQUAL = {"tiled": 1e-5, "one_matrix": 1e-5, "plain": 1e-5, "tiled_bf16": 2e-2}
TIME, TIME_BF16, MEMORY, MEMORY_LARGE, MEMORY_LARGEST_MB = 0.70, 0.40, 1 / 6, 0.08, 350.0


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


def one_matrix(speech: torch.Tensor, phonemes: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    logits, own = scale * speech @ phonemes.T, torch.arange(len(speech))
    return (cross_entropy(logits, own, reduction="sum") + cross_entropy(logits.T, own, reduction="sum")) / 2


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
        "one_matrix": one_matrix,
        "tiled": symmetric_infonce,
        "reference": by_blocks,
    }[name]


def difference(form: str, frames: int, width: int) -> float:
    """Largest relative difference of value and gradients from the float64 reference."""
    found = {}
    for name in (form, "reference"):
        pair = inputs(frames, width, torch.float64 if name == "reference" else torch.float32)
        total = form_of(name)(*pair)
        found[name] = [total.detach(), *torch.autograd.grad(total, pair)]
    parts = zip(found[form], found["reference"], strict=True)
    return max(float((mine.double() - want).norm() / want.norm()) for mine, want in parts)


def prepare(form: str, frames: int, width: int) -> Callable[[], object]:
    """Forward and backward of a form, warmed up; what it has to do with equality is done before."""
    call, equal = form_of(form), difference(form, min(frames, 1024), width)
    if equal > EQUAL[form]:
        raise SystemExit(f"{form} differs from float64 by {equal:.2g}")
    pair = inputs(frames, width, torch.float32)

    def work() -> object:
        for each in pair:
            each.grad = None
        call(*pair).backward()
        return {"difference": equal}

    return work


def has_amx() -> bool:
    """Whether the processor multiplies bf16 matrices in hardware."""
    return "amx_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8")


def rows(small: dict[str, fresh.Figures], large: dict[str, fresh.Figures], largest: fresh.Figures | None) -> list[fresh.Row]:
    """Lines of the table, from the figures at the three sizes."""
    base, ours = small["plain"], small["tiled"]
    note = f"{base['cpu_s']:.2f} and {ours['cpu_s']:.2f} CPU s; differs from float64 by {ours['difference']:.1g}"
    found = [fresh.row("InfoNCE, 8,192", ours["cpu_s"] / base["cpu_s"], TIME, of="ours", peer="plain", note=note)]
    low = small["tiled_bf16"]
    note = f"differs from float64 by {low['difference']:.1g}" + ("" if has_amx() else "; no goal without AMX")
    goal = TIME_BF16 if has_amx() else None
    found.append(fresh.row("InfoNCE, 8,192", low["cpu_s"] / base["cpu_s"], goal, of="ours, bf16", peer="plain", note=note))
    ratio = ours["peak_extra_mb"] / max(base["peak_extra_mb"], 1.0)
    note = f"{ours['peak_extra_mb']:.0f} MB of {base['peak_extra_mb']:.0f} MB above inputs"
    found.append(fresh.row("InfoNCE, 8,192: memory", ratio, MEMORY, of="ours", peer="plain", note=note))
    if large:
        base, ours = large["plain"], large["tiled"]
        ratio = ours["peak_extra_mb"] / base["peak_extra_mb"]
        note = f"{ours['peak_extra_mb']:.0f} MB of {base['peak_extra_mb']:.0f} MB; time {ours['cpu_s'] / base['cpu_s']:.2f}"
        found.append(fresh.row("InfoNCE, 16,384: memory", ratio, MEMORY_LARGE, of="ours", peer="plain", note=note))
    if largest:
        held, note = largest["peak_extra_mb"], f"{largest['cpu_s']:.0f} CPU s; `plain` takes about 17 GB"
        found.append(fresh.row("InfoNCE, 32,768: memory", held, MEMORY_LARGEST_MB, of="ours", peer="", unit=" MB", note=note))
    return found


def main() -> None:
    parser = fresh.parser_of(__doc__)
    parser.add_argument("--frames", type=int, default=8192)
    parser.add_argument("--width", type=int, default=512)
    arguments = parser.parse_args()
    frames, width = (512, 32) if arguments.quick else (arguments.frames, arguments.width)
    if arguments.form:
        torch.set_num_threads(arguments.threads)
        fresh.serve(prepare(arguments.form, frames, width))
        return
    shape = ["--width", str(width), "--threads", str(arguments.threads), "--frames"]
    rounds = 1 if arguments.quick else arguments.rounds
    small = fresh.compare(__file__, FORMS, [*shape, str(frames)], rounds, arguments.threads)
    large, largest = {}, None
    if not arguments.quick:
        large = fresh.compare(__file__, [FORMS[0], FORMS[2]], [*shape, str(2 * frames)], 1, arguments.threads)
        largest = fresh.run_form(__file__, FORMS[2], [*shape, str(4 * frames)], arguments.threads)
    fresh.report(small, rows(small, large, largest), [], arguments)


if __name__ == "__main__":
    main()
