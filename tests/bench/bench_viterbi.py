"""The best path through the states of a CTC graph: 1,000 frames, 120 labels, beside torchaudio's forced_align (C++).

Both see the same log-probabilities and labels, and must give the same path.

    python tests/bench/bench_viterbi.py --json viterbi.json
"""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import fresh
import numpy as np

FORMS = [
    fresh.Form("torchaudio", "peers", "torchaudio torch"),
    fresh.Form("ours"),
]
CLASSES, REPEATS, GOAL, BATCH = 80, 40, 0.20, 16


def problem(frames: int, labels: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities (frames, classes) float32, as of a trained network, and labels (labels,), no two alike in a row."""
    rng = np.random.default_rng(seed)
    steps = rng.integers(1, CLASSES - 1, labels)
    spoken = 1 + np.cumsum(steps) % (CLASSES - 1)
    scores = rng.normal(size=(frames, CLASSES)).astype(np.float32)
    scores[np.arange(frames), spoken[np.sort(rng.integers(0, labels, frames))]] += 6
    scores -= np.log(np.exp(scores).sum(1, keepdims=True))
    return scores, spoken


def chain_of(labels: np.ndarray):
    """The graph of CTC: a blank before, between and behind the labels, each of which may be left out."""
    from ctaplib.align.viterbi import IMPOSSIBLE, Chain

    states = 2 * len(labels) + 1
    classes = np.zeros(states, np.int32)
    classes[1::2] = labels
    leap = np.full(states, IMPOSSIBLE)
    leap[3::2][labels[1:] != labels[:-1]] = 0
    return Chain(classes, 2, np.zeros(states, np.float32), leap, (0, 1), (states - 2, states - 1))


def prepare(form: str, quick: bool) -> Callable[[], object]:
    frames, labels, repeats = (200, 20, 2) if quick else (1000, 120, REPEATS)
    problems = [problem(frames, labels, seed) for seed in range(BATCH)]

    def told(paths: list[np.ndarray], runs: int) -> dict[str, object]:
        joined = np.concatenate([np.asarray(path, np.int32) for path in paths])
        return {"utts": runs, "paths": hashlib.sha256(joined.tobytes()).hexdigest()}

    if form == "torchaudio":
        import torch
        import torchaudio_here

        pairs = [(torch.from_numpy(s)[None], torch.from_numpy(t)[None].int()) for s, t in problems]
        align = torchaudio_here.torchaudio.functional.forced_align

        def work() -> object:
            for run in range(repeats):
                align(*pairs[run % BATCH])
            return told([align(*pair)[0][0].numpy() for pair in pairs], repeats + BATCH)

        work()
        return work
    from ctaplib.align.viterbi import best_path

    pairs = [(scores, chain_of(labels)) for scores, labels in problems]

    def ours() -> object:
        for run in range(repeats):
            best_path(*pairs[run % BATCH])
        return told([chain.classes[best_path(scores, chain)[0]] for scores, chain in pairs], repeats + BATCH)

    ours()
    return ours


def rows(figures: dict[str, fresh.Figures], quick: bool) -> list[fresh.Row]:
    each = {name: found["cpu_s"] / found["utts"] for name, found in figures.items()}
    of, peer = "ours, numba", "torchaudio forced_align"
    if "torchaudio" not in each:
        return [fresh.row("Viterbi", None, GOAL, of=of, peer=peer, note="torchaudio is not there")]
    if figures["ours"]["paths"] != figures["torchaudio"]["paths"]:
        raise SystemExit(f"{of}: the paths differ from torchaudio's")
    note = f"{1000 / each['ours'] / 1e6:.2f} M frames/s; identical paths"
    return [fresh.row("Viterbi", each["ours"] / each["torchaudio"], GOAL, of=of, peer=peer, note=note)]


if __name__ == "__main__":
    fresh.main(__file__, __doc__, FORMS, prepare, rows)
