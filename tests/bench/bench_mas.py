"""Monotonic alignment search: 1,000 frames, 120 tokens, beside the compiled package monotonic-alignment-search.

ctaplib has no function of that name; its Viterbi on a chain that is stayed in or stepped on finds the same path.

    python tests/bench/bench_mas.py --json mas.json
"""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import fresh
import numpy as np

GOAL, COUNT = 0.35, 40
FORMS = [fresh.Form("monotonic_alignment_search", "peers", "monotonic_alignment_search torch"), fresh.Form("ours")]


def scores_of(quick: bool) -> list[np.ndarray]:
    """(frames, tokens) float32 whose best path is clear: the frames of a token score high."""
    rng, found = np.random.default_rng(0), []
    frames, tokens = (60, 8) if quick else (1000, 120)
    for _ in range(2 if quick else COUNT):
        scores = rng.normal(size=(frames, tokens)).astype(np.float32)
        scores[np.arange(frames), np.sort(np.r_[np.arange(tokens), rng.integers(0, tokens, frames - tokens)])] += 6
        found.append(scores)
    return found


def prepare(form: str, quick: bool) -> Callable[[], object]:
    problems = scores_of(quick)
    if form == "ours":
        from ctaplib.align.viterbi import Chain, best_path

        tokens = problems[0].shape[1]
        nothing, numbers = np.zeros(tokens, np.float32), np.arange(tokens, dtype=np.int32)
        chain = Chain(numbers, 0, nothing, nothing, (0,), (tokens - 1,))

        def align() -> list[np.ndarray]:
            return [best_path(scores, chain)[0] for scores in problems]
    else:
        import torch
        from monotonic_alignment_search import maximum_path

        def align() -> list[np.ndarray]:
            pairs = [torch.from_numpy(scores.T.copy())[None] for scores in problems]
            return [maximum_path(value, torch.ones_like(value))[0].argmax(0).numpy() for value in pairs]

    paths = np.concatenate([np.asarray(path, np.int32) for path in align()])
    facts = {"paths": hashlib.sha256(paths.tobytes()).hexdigest()}

    def work() -> object:
        align()
        return facts

    return work


def rows(figures: dict[str, fresh.Figures], quick: bool) -> list[fresh.Row]:
    peer = FORMS[0].name
    if peer not in figures:
        return [fresh.row("monotonic alignment search", None, GOAL, of="ours", peer=peer, note="not installed")]
    if figures[peer]["paths"] != figures["ours"]["paths"]:
        raise SystemExit("the paths differ")
    ratio = figures["ours"]["cpu_s"] / figures[peer]["cpu_s"]
    return [fresh.row("monotonic alignment search", ratio, GOAL, of="ours (Viterbi)", peer=peer, note="identical paths")]


if __name__ == "__main__":
    fresh.main(__file__, __doc__, FORMS, prepare, rows)
