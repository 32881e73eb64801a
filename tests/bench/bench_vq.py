"""One step of a vector quantiser beside its peers: time, memory, and whether the codes are the same.

Every form takes 32,768 vectors of width 64 through a book of 4,096 codes: forward, backward and averages:

    cdist          distances to all codes at once, sums by index_add
    one_hot        the same with sums by a one-hot product, the usual textbook form
    lucidrains     VectorQuantize of vector-quantize-pytorch, where it is installed
    ours           ctaplib's moving-average quantiser, all it does in a training step included

Time is the ratio of CPU seconds to the best peer.

    python tests/bench/bench_vq.py --json vq.json
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import fresh
import torch

from ctaplib.nn.codebook import nearest_codes
from ctaplib.nn.quantize import build_quantizer

CODES, WIDTH, ROWS = 4096, 64, 32768
PEER = "lucidrains"
DECAY, COMMITMENT = 0.99, 0.25
LIMITS = {"time": 0.5, "memory_to_peer": 1 / 50}

Step = Callable[[torch.Tensor], object]


def rows_of(count: int, seed: int) -> torch.Tensor:
    return torch.randn(1, count, WIDTH, generator=torch.Generator().manual_seed(seed))


def plain_step(one_hot: bool) -> Step:
    """A quantiser in a few lines, with its state in the closure."""
    book = rows_of(CODES, 1)[0].clone()
    use, sums = torch.ones(CODES), book.clone()

    def step(z: torch.Tensor) -> object:
        flat = z.reshape(-1, WIDTH)
        codes = torch.cdist(flat.detach(), book).argmin(1)
        vectors = book[codes]
        out = flat + (vectors - flat).detach()
        loss = COMMITMENT * (flat - vectors).square().mean()
        (out.sum() + loss).backward()
        with torch.no_grad():
            if one_hot:
                member = torch.nn.functional.one_hot(codes, CODES).float()
                counts, total = member.sum(0), member.T @ flat
            else:
                counts = torch.bincount(codes, minlength=CODES).float()
                total = torch.zeros_like(book).index_add_(0, codes, flat.detach())
            use.mul_(DECAY).add_(counts, alpha=1 - DECAY)
            sums.mul_(DECAY).add_(total, alpha=1 - DECAY)
            book.copy_(sums / use.clamp_min(1e-5)[:, None])
        return codes

    return step


def our_step() -> Step:
    options = {"codebook_size": CODES, "code_dim": None, "decay": DECAY, "commitment": COMMITMENT}
    quantizer = build_quantizer({"name": "ema", "options": options}, WIDTH).train()
    quantizer.placed.fill_(True)
    quantizer.codebook.copy_(rows_of(CODES, 1)[0])
    quantizer.code_sums.copy_(quantizer.codebook)
    taken = [0]

    def step(z: torch.Tensor) -> object:
        out = quantizer(z, torch.ones(z.shape[:2], dtype=torch.bool))
        (out.quantized.sum() + out.loss_total / out.loss_count).backward()
        quantizer.after_step(taken[0])
        taken[0] += 1
        return out.codes

    return step


def peer_step() -> Step:
    from vector_quantize_pytorch import VectorQuantize

    quantizer = VectorQuantize(dim=WIDTH, codebook_size=CODES, decay=DECAY, commitment_weight=COMMITMENT).train()

    def step(z: torch.Tensor) -> object:
        out, codes, loss = quantizer(z)
        (out.sum() + loss.sum()).backward()
        return codes

    return step


FORMS: dict[str, Callable[[], Step]] = {
    "cdist": lambda: plain_step(one_hot=False),
    "one_hot": lambda: plain_step(one_hot=True),
    PEER: peer_step,
    "ours": our_step,
}


def one(arguments: argparse.Namespace) -> None:
    """Measure one form over several steps; give the figures of one step."""
    torch.set_num_threads(arguments.threads)
    step = FORMS[arguments.form]()
    step(rows_of(64, 9).requires_grad_())
    steps = [rows_of(ROWS, 10 + number) for number in range(arguments.steps)]
    figures = fresh.measure(lambda: [step(z.requires_grad_()) for z in steps])
    gradients = sum(z.numel() * z.element_size() for z in steps) / 2**20
    figures["peak_extra_mb"] -= gradients
    print(json.dumps({key: value / (1 if "mb" in key else arguments.steps) for key, value in figures.items()}))


def codes_equal_pct() -> float:
    """Share of codes that equal a float64 search, in percent."""
    rows, book = rows_of(ROWS, 10)[0], rows_of(CODES, 1)[0]
    found = nearest_codes(rows, book)
    exact = torch.cat([torch.cdist(part, book.double()).argmin(1) for part in rows.double().split(4096)])
    return 100.0 * float((found == exact).double().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="steps of one measurement")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", help="file for all figures")
    parser.add_argument("--form", help="measure this form alone and print JSON")
    arguments = parser.parse_args()
    if arguments.form:
        one(arguments)
        return
    forms = [name for name in FORMS if name != PEER or importlib.util.find_spec("vector_quantize_pytorch")]
    if PEER not in forms:
        print("vector-quantize-pytorch is not installed: no row for it (pip install vector-quantize-pytorch)")
    shape = ["--steps", str(arguments.steps), "--threads", str(arguments.threads)]
    figures = fresh.compare(__file__, forms, shape, arguments.rounds, arguments.threads)
    best = min(each["cpu_s"] for form, each in figures.items() if form != "ours")
    rows: list[list[object]] = [["form", "CPU s a step", "ratio", "extra MB"]]
    rows += [[form, each["cpu_s"], each["cpu_s"] / best, each["peak_extra_mb"]] for form, each in figures.items()]
    print(fresh.table(rows))
    ratios = {"time": figures["ours"]["cpu_s"] / best}
    if PEER in forms:
        ratios["memory_to_peer"] = figures["ours"]["peak_extra_mb"] / figures[PEER]["peak_extra_mb"]
    for name, value in ratios.items():
        verdict = "reached" if value <= LIMITS[name] else "MISSED"
        print(f"ours, {name}: {value:.3g}, at most {LIMITS[name]:g}: {verdict}")
    equal = codes_equal_pct()
    print(f"ours, codes equal to a float64 search: {equal:.3f} %")
    if arguments.json:
        found = {"arguments": vars(arguments), "figures": figures, "ratios": ratios, "codes_equal_pct": equal}
        Path(arguments.json).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
