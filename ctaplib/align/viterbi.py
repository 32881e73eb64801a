"""The best path through a left-to-right chain of states, some of which may be jumped over.

A chain has states 0..S-1. From one frame to the next a path stays in state s at no cost, steps from s-1, or jumps from
s-jump (over an optional silence).
"""

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from ctaplib.errors import DataError, missing_package

IMPOSSIBLE = np.float32(-1e30)


@dataclass(frozen=True)
class Chain:
    """Chain of states of an utterance."""

    classes: np.ndarray
    """(S,) int32, the column of the scores that each state reads."""
    jump: int
    """Distance to the second predecessor of a state, in states; 0 if the chain has no jumps."""
    step: np.ndarray
    """(S,) float32, score of a transition from the previous state."""
    leap: np.ndarray
    """(S,) float32, score of a transition by the jump; `IMPOSSIBLE` for states without one."""
    starts: tuple[int, ...]
    """States in which a path may begin."""
    ends: tuple[int, ...]
    """States in which a path may end; of equal scores the first is taken."""

    def __len__(self) -> int:
        return len(self.classes)


def load_loops() -> Any:
    """Import the loops that numba compiles; only the search needs them, and the import takes long.

    Raises:
        DependencyError: numba is not installed.
    """
    try:
        return importlib.import_module("ctaplib.align.viterbi_loops")
    except ModuleNotFoundError as error:
        raise missing_package(error) from error


def best_path(scores: np.ndarray, chain: Chain) -> tuple[np.ndarray, float]:
    """Return the best path of log-scores (T, classes) through a chain, (T,) int32, and its score, `-inf` where none fits.

    Raises:
        DataError: a score is not a number.
        DependencyError: numba is not installed.
    """
    if not len(scores):
        return np.empty(0, np.int32), -np.inf
    scores = np.ascontiguousarray(scores, np.float32)
    path = np.empty(len(scores), np.int32)
    starts, ends = np.array(chain.starts, np.int32), np.array(chain.ends, np.int32)
    total = load_loops().find_path(scores, chain.classes, chain.jump, chain.step, chain.leap, starts, ends, path)
    if np.isnan(total):
        raise DataError("a score is not a number", fix="check the features that it was computed from")
    return path, (total if total > IMPOSSIBLE / 2 else -np.inf)
