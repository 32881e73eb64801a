"""Point estimates with 95 % intervals, bootstrapped over utterances with a fixed seed.

A statistic is computed once from the items as they are, and again from 1,000 resampled sets of items (our choice), whose
percentiles are the interval. An item is an utterance or a conversion pair. All that is measured on it is drawn together, so
that frames of one utterance are not treated as independent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 1000
SEED = 20240811

Numbers = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Estimate:
    """A value, the number of items behind it, and its interval (None for a single item)."""

    value: float
    n: int
    ci95: tuple[float, float] | None


def _estimate(value: float, n_items: int, statistic: Callable[[np.ndarray], np.ndarray]) -> Estimate:
    """Add the interval to a value; `statistic` takes how often each item is drawn, (resamples, items)."""
    if n_items == 1:
        return Estimate(value, 1, None)
    random = np.random.default_rng(SEED)
    with np.errstate(invalid="ignore", divide="ignore"):
        samples = statistic(random.multinomial(n_items, np.full(n_items, 1.0 / n_items), size=RESAMPLES))
    samples = samples[np.isfinite(samples)]
    if len(samples) < 2:
        return Estimate(value, n_items, None)
    low, high = np.percentile(samples, [2.5, 97.5])
    return Estimate(value, n_items, (float(low), float(high)))


def ratio(numerators: Numbers, denominators: Numbers, scale: float = 1.0) -> Estimate:
    """Compute the micro-average scale x sum of numerators / sum of denominators, one pair per item.

    Raises:
        ValueError: there are no items, or the denominators sum to zero.
    """
    top, bottom = np.asarray(numerators, float), np.asarray(denominators, float)
    if len(top) != len(bottom) or not len(top) or bottom.sum() <= 0:
        raise ValueError(f"cannot average {len(top)} items whose denominators sum to {bottom.sum():g}")
    value = float(scale * top.sum() / bottom.sum())
    return _estimate(value, len(top), lambda draws: scale * (draws @ top) / (draws @ bottom))


def mean(values: Numbers, scale: float = 1.0) -> Estimate:
    """Compute the mean of one number per item."""
    return ratio(values, np.ones(len(values)), scale)


def median(groups: Sequence[Numbers | float]) -> Estimate:
    """Compute the median of all numbers of all items; each item holds one or more (resampling draws whole items).

    Raises:
        ValueError: no item holds a number.
    """
    values = np.concatenate([np.asarray(g, float).reshape(-1) for g in groups]) if len(groups) else np.zeros(0)
    if not len(values):
        raise ValueError(f"no numbers in {len(groups)} items")
    owners = np.repeat(np.arange(len(groups)), [len(np.atleast_1d(g)) for g in groups])
    return _estimate(
        float(np.median(values)),
        len(groups),
        lambda draws: np.array([np.median(np.repeat(values, counts[owners])) for counts in draws]),
    )


def statistic(counts: np.ndarray, function: Callable[[np.ndarray], np.ndarray], largest: float = np.inf) -> Estimate:
    """Compute a statistic of counts that add up over items.

    A resampled set has fewer different items, so that for example fewer codes occur in it: the interval is moved by the
    bootstrap's estimate of that bias, value - mean of the samples.

    Args:
        counts: (items, categories).
        function: From (sets, categories) to (sets,).
        largest: Largest value that there can be; the moved interval ends there.
    """
    counts = np.asarray(counts, float)
    value = float(function(counts.sum(0, keepdims=True))[0])

    def moved(draws: np.ndarray) -> np.ndarray:
        samples = function(draws @ counts)
        return np.minimum(samples + (value - np.nanmean(samples)), largest)

    return _estimate(value, len(counts), moved)
