"""One step of a vector quantiser beside its peers: time, memory, and whether the codes are the same.

Every form takes 32,768 vectors of width 64 through a book of 4,096 codes: forward, backward and averages:

    cdist          distances to all codes at once, sums by index_add
    one_hot        the same with sums by a one-hot product, the usual textbook form
    lucidrains     VectorQuantize of vector-quantize-pytorch, in the peers' environment
    ours           ctaplib's moving-average quantiser, all it does in a training step included

Time is the ratio of CPU seconds to the best peer.

    python tests/bench/bench_vq.py --json vq.json
"""

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import fresh
import torch

CODES, WIDTH, ROWS = 4096, 64, 32768
PEER = "lucidrains"
FORMS = [
    fresh.Form("cdist"),
    fresh.Form("one_hot"),
    fresh.Form(PEER, "peers", "vector_quantize_pytorch"),
    fresh.Form("ours"),
]
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
    from ctaplib.nn.quantize import QuantizerSlot

    options = {"codebook_size": CODES, "code_dim": None, "decay": DECAY, "commitment": COMMITMENT}
    quantizer = QuantizerSlot(name="ema", options=options).build(WIDTH).train()
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


STEPS: dict[str, Callable[[], Step]] = {
    "cdist": lambda: plain_step(one_hot=False),
    "one_hot": lambda: plain_step(one_hot=True),
    PEER: peer_step,
    "ours": our_step,
}


def codes_equal_pct(rows: torch.Tensor, book: torch.Tensor) -> float:
    """Share of codes that equal a float64 search, in percent."""
    from ctaplib.nn.codebook import nearest_codes

    found = nearest_codes(rows, book)
    exact = torch.cat([torch.cdist(part, book.double()).argmin(1) for part in rows.double().split(4096)])
    return 100.0 * float((found == exact).double().mean())


def prepare(form: str, quick: bool) -> Callable[[], object]:
    """A step of a form, warmed up with a few vectors."""
    step = STEPS[form]()
    step(rows_of(64, 9).requires_grad_())
    z = rows_of(1024 if quick else ROWS, 10).requires_grad_()
    z.grad = torch.zeros_like(z)  # there before: it is no part of what a step holds above its inputs
    facts = {}
    if form == "ours":
        facts["codes_equal_pct"] = codes_equal_pct(z.detach()[0, :4096], rows_of(CODES, 1)[0])

    def work() -> object:
        step(z)
        return facts

    return work


def rows(figures: dict[str, fresh.Figures], quick: bool) -> list[fresh.Row]:
    equal = figures["ours"]["codes_equal_pct"]
    if equal < 99.99:
        raise SystemExit(f"only {equal:.3f} % of the codes equal a float64 search")
    best = fresh.best_of(figures, ["ours"])
    mine = figures["ours"]
    note = f"{equal:.2f} % of the codes equal a float64 search"
    found = [fresh.row("VQ step", mine["cpu_s"] / figures[best]["cpu_s"], LIMITS["time"], of="ours", peer=best, note=note)]
    limit = LIMITS["memory_to_peer"]
    if PEER not in figures:
        return [
            *found,
            fresh.row("VQ step: memory", None, limit, of="ours", peer="vector-quantize-pytorch", note="not installed"),
        ]
    held, theirs = mine["peak_extra_mb"], figures[PEER]["peak_extra_mb"]
    note = f"{held:.0f} MB, theirs {theirs:.0f} MB; time to theirs {mine['cpu_s'] / figures[PEER]['cpu_s']:.3f}"
    return [*found, fresh.row("VQ step: memory", held / theirs, limit, of="ours", peer="vector-quantize-pytorch", note=note)]


if __name__ == "__main__":
    fresh.main(__file__, __doc__, FORMS, prepare, rows)
