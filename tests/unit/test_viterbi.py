"""The best path: both forms find that of a search over all paths; ends out of reach and broken scores are told."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctaplib.align.viterbi import Chain, best_path, best_paths, has_compiler
from ctaplib.errors import DataError

FORMS = [False, *([True] if has_compiler() else [])]


def problem(seed: int, frames: int, states: int, distances: tuple[int, ...]) -> tuple[np.ndarray, Chain]:
    """Random scores, and a chain with jumps of the given distances where they fit."""
    rng = np.random.default_rng(seed)
    jump = rng.choice(np.array((0, *distances)), states).astype(np.int32)
    jump[jump > np.arange(states)] = 0
    stay, step, leap = rng.normal(size=(3, states)).astype(np.float32)
    chain = Chain(rng.integers(0, 5, states).astype(np.int32), jump, stay, step, leap, (0, states - 1), (states - 1, 0))
    return rng.normal(size=(frames, 5)).astype(np.float32), chain


def by_search(scores: np.ndarray, chain: Chain) -> float:
    """Score of the best of all paths, one by one."""

    def onward(t: int, s: int) -> float:
        here = float(scores[t, chain.classes[s]])
        if t == 0:
            return here if s in chain.starts else -np.inf
        before = [onward(t - 1, s) + chain.stay[s]]
        if s > 0:
            before.append(onward(t - 1, s - 1) + chain.step[s])
        if chain.jump[s] > 0:
            before.append(onward(t - 1, s - chain.jump[s]) + chain.leap[s])
        return here + max(before)

    return max(onward(len(scores) - 1, end) for end in chain.ends)


def score_of(path: np.ndarray, scores: np.ndarray, chain: Chain) -> float:
    """Score of a path, which must be one of the chain."""
    total = scores[0, chain.classes[path[0]]]
    assert path[0] in chain.starts and path[-1] in chain.ends
    for t in range(1, len(path)):
        s, moved = path[t], path[t] - path[t - 1]
        ways = {0: chain.stay[s], 1: chain.step[s]}
        if chain.jump[s] > 0:
            ways[chain.jump[s]] = max(chain.leap[s], ways.get(chain.jump[s], -np.inf))
        total += ways[moved] + scores[t, chain.classes[s]]
    return float(total)


@pytest.mark.parametrize("compiled", FORMS)
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 7), st.integers(1, 5), st.sampled_from([(), (2,), (1,), (2, 3), (1, 3, 4)]))
def test_the_path_is_the_best_of_all(compiled: bool, seed: int, frames: int, states: int, distances: tuple[int, ...]) -> None:
    scores, chain = problem(seed, frames, states, distances)
    path, total = best_path(scores, chain, compiled=compiled)
    assert total == pytest.approx(by_search(scores, chain), abs=1e-4)
    assert score_of(path, scores, chain) == pytest.approx(total, abs=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_a_path_does_not_depend_on_the_batch(seed: int) -> None:
    problems = [problem(seed + i, 5 + 3 * i, 3 + 2 * i, (2,)) for i in range(4)]
    together = best_paths([s for s, _ in problems], [c for _, c in problems])
    for (scores, chain), (path, total) in zip(problems, together):
        alone, score = best_path(scores, chain, compiled=has_compiler())
        assert path.tolist() == alone.tolist() and total == pytest.approx(score, abs=1e-4)


@pytest.mark.skipif(not has_compiler(), reason="numba is not installed")
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 150), st.integers(0, 200), st.sampled_from([(), (2,), (3, 4), (1, 40)]))
def test_both_forms_agree_on_long_chains(seed: int, states: int, more: int, distances: tuple[int, ...]) -> None:
    # The compiled form leaves out states that lie on no whole path; few frames more than states make these most of all.
    scores, chain = problem(seed, max(1, states // 2) + more, states, distances)
    rng = np.random.default_rng(seed)
    starts, ends = ((0,), (0, min(2, states - 1)))[seed % 2], tuple(states - 1 - rng.permutation(min(4, states))[:2])
    chain = Chain(chain.classes, chain.jump, chain.stay, chain.step, chain.leap, starts, ends)
    path, total = best_path(scores, chain)
    slowly, score = best_path(scores, chain, compiled=False)
    assert total == pytest.approx(score, abs=1e-3)
    if np.isfinite(score):
        assert path.tolist() == slowly.tolist()


@pytest.mark.parametrize("compiled", FORMS)
def test_equal_ends_and_no_frames(compiled: bool) -> None:
    zeros = np.zeros(3, np.float32)
    chain = Chain(np.zeros(3, np.int32), np.zeros(3, np.int32), zeros, zeros, zeros, (0, 1, 2), (2, 1))
    assert best_path(np.zeros((1, 1), np.float32), chain, compiled=compiled)[0].tolist() == [2]  # the first that is named
    path, total = best_path(np.zeros((0, 1), np.float32), chain, compiled=compiled)
    assert len(path) == 0 and total == -np.inf


@pytest.mark.parametrize("compiled", FORMS)
def test_an_end_out_of_reach_and_broken_scores(compiled: bool) -> None:
    scores, chain = problem(1, 3, 9, ())
    chain = Chain(chain.classes, chain.jump, chain.stay, chain.step, chain.leap, (0,), (8,))
    assert best_path(scores, chain, compiled=compiled)[1] == -np.inf
    with pytest.raises(DataError, match="a score is not a number"):
        best_path(np.full((12, 5), np.nan, np.float32), chain, compiled=compiled)
