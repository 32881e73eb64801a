"""The best path through the states of a CTC graph: 1,000 frames, 120 labels, beside torchaudio's forced_align (C++).

Both see the same log-probabilities and labels, and must give the same path. Ours in two forms: compiled by numba, and the
vectorised form that does without it, on one utterance and on a batch of sixteen.

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
    fresh.Form("ours_numpy"),
    fresh.Form("ours_numpy_batch"),
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
    from ctaplib.align.viterbi import Chain

    states = 2 * len(labels) + 1
    classes = np.zeros(states, np.int32)
    classes[1::2] = labels
    jump = np.zeros(states, np.int32)
    jump[3::2] = 2 * (labels[1:] != labels[:-1])
    nothing = np.zeros(states, np.float32)
    return Chain(classes, jump, nothing, nothing, nothing, (0, 1), (states - 2, states - 1))


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
    from ctaplib.align.viterbi import best_path, best_paths

    pairs = [(scores, chain_of(labels)) for scores, labels in problems]

    def ours() -> object:
        for run in range(repeats):
            best_path(*pairs[run % BATCH])
        return told([chain.classes[best_path(scores, chain)[0]] for scores, chain in pairs], repeats + BATCH)

    def ours_numpy() -> object:
        return told([chain.classes[best_path(scores, chain, compiled=False)[0]] for scores, chain in pairs], BATCH)

    def ours_numpy_batch() -> object:
        found = best_paths([p[0] for p in pairs], [p[1] for p in pairs])
        return told([chain.classes[path] for (_, chain), (path, _) in zip(pairs, found)], BATCH)

    work = {"ours": ours, "ours_numpy": ours_numpy, "ours_numpy_batch": ours_numpy_batch}[form]
    work()
    return work


def rows(figures: dict[str, fresh.Figures], quick: bool) -> list[fresh.Row]:
    each = {name: found["cpu_s"] / found["utts"] for name, found in figures.items()}
    found = []
    for name, of in (("ours", "ours, numba"), ("ours_numpy", "ours, numpy"), ("ours_numpy_batch", "ours, numpy, batch of 16")):
        goal = GOAL if name == "ours" else None
        if "torchaudio" not in each:
            found.append(fresh.row("Viterbi", None, goal, of=of, peer="torchaudio forced_align", note="torchaudio is not there"))
            continue
        if figures[name]["paths"] != figures["torchaudio"]["paths"]:
            raise SystemExit(f"{of}: the paths differ from torchaudio's")
        note = f"{1000 / each[name] / 1e6:.2f} M frames/s; identical paths"
        found.append(
            fresh.row("Viterbi", each[name] / each["torchaudio"], goal, of=of, peer="torchaudio forced_align", note=note)
        )
    return found


if __name__ == "__main__":
    fresh.main(__file__, __doc__, FORMS, prepare, rows)
