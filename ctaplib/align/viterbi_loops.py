"""The best path of one utterance as loops that numba compiles; `viterbi.py` documents the arguments.

State s is at index s + room of the scores of a frame, so that indices before the first state can be read. Loops over states
have no branch, so that they are vectorised. States that are on no complete path are skipped: one that cannot be reached keeps
the lowest score, and one from which no end can be reached is not read by any from which one can.
"""

# mypy: disable-error-code="no-untyped-def, untyped-decorator"
# numba reads these functions; their types are those of the arrays that they are called with.

import numpy as np
from numba import njit

LOWEST = np.float32(-1e30)
VECTOR = 32
"""States per iteration of the vectorised loops."""
BLOCK = 8
"""Frames whose scores are gathered at once; a vector load right after scalar stores to its memory stalls."""


@njit(cache=True, nogil=True)
def find_path(scores, classes, jump, step, leap, starts, ends, path):
    """Write the states of the best path and return its score, at most LOWEST / 2 where no path fits."""
    n_frames, n_states = len(scores), len(classes)
    room = max(1, jump)
    width = -(-n_states // VECTOR) * VECTOR
    steps, leaps = np.zeros(width, np.float32), np.full(width, LOWEST, np.float32)  # not rows of one array: slower
    steps[:n_states], leaps[:n_states] = step, leap
    common = np.argmax(np.bincount(classes))  # read once a frame: half of the states of a CTC graph are blanks
    others = np.flatnonzero(classes != common).astype(np.uint32)
    columns = classes[others].astype(np.uint32)
    emitted = np.empty((BLOCK, width), np.float32)
    old, new = np.full(width + room, LOWEST, np.float32), np.full(width + room, LOWEST, np.float32)
    back = np.empty((n_frames, width), np.int8)
    for state in starts:
        old[room + state] = scores[0, classes[state]]
    here, before, there = np.uint64(room), np.uint64(room - 1), np.uint64(room - jump)
    furthest, nearest_end = starts.max(), ends.min()
    for t in range(1, n_frames):
        at = t % BLOCK
        if at == 0 or t == 1:
            _gather(scores, t - at, common, others, columns, emitted)
        first = np.uint64(max(0, nearest_end - room * (n_frames - 1 - t)) // VECTOR * VECTOR)
        behind = np.uint64(min(width, ((furthest + room * t) // VECTOR + 1) * VECTOR))
        if jump:
            for s in range(first, behind):
                stayed, stepped, landed = old[here + s], old[before + s] + steps[s], old[there + s] + leaps[s]
                value = stepped if stepped > stayed else stayed
                move = np.int8(1) if stepped > stayed else np.int8(0)
                back[t, s] = np.int8(2) if landed > value else move
                value = landed if landed > value else value
                new[here + s] = (LOWEST if value < LOWEST else value) + emitted[at, s]
        else:
            for s in range(first, behind):
                stayed, stepped = old[here + s], old[before + s] + steps[s]
                back[t, s] = np.int8(1) if stepped > stayed else np.int8(0)
                value = stepped if stepped > stayed else stayed
                new[here + s] = (LOWEST if value < LOWEST else value) + emitted[at, s]
        old, new = new, old
    state = ends[0]
    for end in ends:
        if old[room + end] > old[room + state]:
            state = end
    total = old[room + state]
    if total > LOWEST / 2:
        _trace_back(back, jump, state, path)
    else:  # no path fits, or a score is not a number: there is nothing to go back through
        path[:] = 0
    return total


@njit(cache=True, nogil=True)
def _gather(scores, begin, common, others, columns, emitted):
    """Gather the scores of all states in BLOCK frames: the most common column first, then the others."""
    for k in range(min(BLOCK, len(scores) - begin)):
        row = scores[begin + k]
        emitted[k] = row[common]
        for n in range(len(others)):
            emitted[k, others[n]] = row[columns[n]]


@njit(cache=True, nogil=True)
def _trace_back(back, jump, state, path):
    """Follow the back pointers from the last frame to the first."""
    for t in range(len(path) - 1, 0, -1):
        path[t] = state
        if back[t, state] == 1:
            state -= 1
        elif back[t, state] == 2:
            state -= jump
    path[0] = state
