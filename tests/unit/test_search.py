"""The search with an n-gram: exact on small cases, greedy without the n-gram where that is the best transcript."""

import itertools
import math

import numpy as np
import pytest

from ctaplib.infer.ctc_search import PhoneNgram, SearchConfig, search_ctc

TRANSCRIPTS = [[2, 3, 4], [2, 3, 3], [4, 2, 3]]


def every_transcript(log_probs: np.ndarray) -> dict[tuple[int, ...], float]:
    """Probability of every transcript, by summing over all paths."""
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        said = tuple(b for a, b in zip((-1, *path), path) if b != a and b)
        found[said] = found.get(said, 0.0) + math.exp(sum(log_probs[t, c] for t, c in enumerate(path)))
    return found


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_the_search_finds_the_best_of_all_transcripts(seed: int, weight: float) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(5, 5)) * 1.5
    log_probs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    ngram = PhoneNgram(TRANSCRIPTS, 3, 5)
    config = SearchConfig(order=3, weight=weight, bonus=0.4 if weight else 0.0, beam=4000, labels=5)

    def score(said: tuple[int, ...], probability: float) -> float:
        spoken = [c for c in said if c != 1]  # 1 is silence
        extra = [float(ngram.log_probs(ngram.history(spoken[:i]))[c]) * weight + config.bonus for i, c in enumerate(spoken)]
        return math.log(probability) + sum(extra)

    wanted = max(every_transcript(log_probs).items(), key=lambda item: score(*item))[0]
    assert tuple(search_ctc(log_probs, ngram, config, {1})) == wanted


def test_the_ngram_is_a_distribution_and_knows_what_it_counted() -> None:
    ngram = PhoneNgram(TRANSCRIPTS, 3, 6)
    for history in [(-1, -1), (2, 3), (5, 5), (3, 2)]:
        assert np.exp(ngram.log_probs(history)).sum() == pytest.approx(1.0)
    shares = np.exp(ngram.log_probs((-1, 2)))
    assert shares.argmax() == 3 and shares[5] > 0
    # by hand, bigram: after 3 come 4 and 3, once each; phones are 2, 3, 4 with 3, 4, 2 of 9
    bigram = PhoneNgram(TRANSCRIPTS, 2, 6)
    unigram_4 = (2 + 3 / 6) / (9 + 3)
    assert math.exp(bigram.log_probs((3,))[4]) == pytest.approx((1 + 2 * unigram_4) / (2 + 2))
    assert ngram.history([4]) == (-1, 4) and ngram.history([]) == (-1, -1) and PhoneNgram(TRANSCRIPTS, 1, 6).history([4]) == ()


def test_the_ngram_turns_a_close_call() -> None:
    log_probs = np.log(np.array([[0.02, 0.01, 0.95, 0.01, 0.01], [0.9, 0.02, 0.02, 0.03, 0.03], [0.02, 0.01, 0.01, 0.47, 0.49]]))
    ngram = PhoneNgram(TRANSCRIPTS, 3, 5)
    assert search_ctc(log_probs, ngram, SearchConfig(order=3, weight=0.0, bonus=0.0), {1}) == [2, 4]
    assert search_ctc(log_probs, ngram, SearchConfig(order=3, weight=0.5, bonus=0.0), {1}) == [2, 3]
