"""The best path: that of a search over all paths, and of plain numpy on long chains; what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctaplib.align import viterbi
from ctaplib.align.viterbi import IMPOSSIBLE, Chain, best_path
from ctaplib.errors import DataError, DependencyError


def problem(seed: int, frames: int, states: int, jump: int) -> tuple[np.ndarray, Chain]:
    """Random scores, and a chain in which half of the states can be entered by a jump, where it fits."""
    rng = np.random.default_rng(seed)
    step, leap = rng.normal(size=(2, states)).astype(np.float32)
    leap[(np.arange(states) < max(1, jump)) | (rng.random(states) < 0.5)] = IMPOSSIBLE
    chain = Chain(rng.integers(0, 5, states).astype(np.int32), jump, step, leap, (0, states - 1), (states - 1, 0))
    return rng.normal(size=(frames, 5)).astype(np.float32), chain


def by_search(scores: np.ndarray, chain: Chain) -> float:
    """Score of the best of all paths, one by one."""

    def onward(t: int, s: int) -> float:
        here = float(scores[t, chain.classes[s]])
        if t == 0:
            return here if s in chain.starts else -np.inf
        before = [onward(t - 1, s)]
        if s > 0:
            before.append(onward(t - 1, s - 1) + chain.step[s])
        if chain.jump and chain.leap[s] > IMPOSSIBLE:
            before.append(onward(t - 1, s - chain.jump) + chain.leap[s])
        return here + max(before)

    return max(onward(len(scores) - 1, end) for end in chain.ends)


def score_of(path: np.ndarray, scores: np.ndarray, chain: Chain) -> float:
    """Score of a path, which must be one of the chain."""
    total = scores[0, chain.classes[path[0]]]
    assert path[0] in chain.starts and path[-1] in chain.ends
    for t in range(1, len(path)):
        s, moved = path[t], path[t] - path[t - 1]
        ways = {0: np.float32(0), 1: chain.step[s]}
        if chain.jump and chain.leap[s] > IMPOSSIBLE:
            ways[chain.jump] = max(chain.leap[s], ways.get(chain.jump, -np.inf))
        total += ways[moved] + scores[t, chain.classes[s]]
    return float(total)


def by_numpy(scores: np.ndarray, chain: Chain) -> tuple[np.ndarray, float]:
    """Best path and its score, a frame at a time over all states."""
    origins = np.maximum(np.arange(len(chain)) - chain.jump, 0)
    leap = chain.leap if chain.jump else np.full(len(chain), IMPOSSIBLE)
    best = np.full(len(chain), IMPOSSIBLE, np.float32)
    best[list(chain.starts)] = scores[0, chain.classes[list(chain.starts)]]
    back = np.zeros((len(scores), len(chain)), np.int64)
    for t in range(1, len(scores)):
        stepped = np.concatenate([[IMPOSSIBLE], best[:-1] + chain.step[1:]]).astype(np.float32)
        ways = np.stack([best, stepped, best[origins] + leap])
        back[t] = ways.argmax(0)
        best = np.maximum(ways.max(0), IMPOSSIBLE) + scores[t, chain.classes]
    state = max(chain.ends, key=lambda s: float(best[s]))
    total, path = float(best[state]), np.empty(len(scores), np.int32)
    for t in range(len(scores) - 1, -1, -1):
        path[t] = state
        state -= (0, 1, chain.jump)[back[t, state]]
    return path, total if total > IMPOSSIBLE / 2 else -np.inf


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 7), st.integers(1, 5), st.integers(0, 4))
def test_the_path_is_the_best_of_all(seed: int, frames: int, states: int, jump: int) -> None:
    scores, chain = problem(seed, frames, states, jump)
    path, total = best_path(scores, chain)
    assert total == pytest.approx(by_search(scores, chain), abs=1e-4)
    assert score_of(path, scores, chain) == pytest.approx(total, abs=1e-4)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 150), st.integers(0, 200), st.sampled_from([0, 1, 2, 4, 40]))
def test_long_chains_as_in_plain_numpy(seed: int, states: int, more: int, jump: int) -> None:
    # States on no complete path are skipped; few frames more than states make these most.
    scores, chain = problem(seed, max(1, states // 2) + more, states, jump)
    rng = np.random.default_rng(seed)
    starts, ends = ((0,), (0, min(2, states - 1)))[seed % 2], tuple(states - 1 - rng.permutation(min(4, states))[:2])
    chain = replace(chain, starts=starts, ends=ends)
    path, total = best_path(scores, chain)
    slowly, score = by_numpy(scores, chain)
    assert total == pytest.approx(score, abs=1e-3)
    if np.isfinite(score):
        assert path.tolist() == slowly.tolist()


def test_equal_ends_and_no_frames() -> None:
    zeros = np.zeros(3, np.float32)
    chain = Chain(np.zeros(3, np.int32), 0, zeros, zeros, (0, 1, 2), (2, 1))
    assert best_path(np.zeros((1, 1), np.float32), chain)[0].tolist() == [2]  # the first that is named
    path, total = best_path(np.zeros((0, 1), np.float32), chain)
    assert len(path) == 0 and total == -np.inf


def test_an_end_out_of_reach_and_broken_scores() -> None:
    scores, chain = problem(1, 3, 9, 0)
    chain = replace(chain, starts=(0,), ends=(8,))
    assert best_path(scores, chain)[1] == -np.inf
    with pytest.raises(DataError, match="a score is not a number"):
        best_path(np.full((12, 5), np.nan, np.float32), chain)


def test_a_missing_numba_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError("No module named 'numba'", name="numba")

    monkeypatch.setattr(viterbi.importlib, "import_module", absent)
    with pytest.raises(DependencyError, match=r"numba is not installed.*ctaplib\[align\]"):
        best_path(*problem(1, 3, 3, 0))
