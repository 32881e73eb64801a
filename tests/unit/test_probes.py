"""Code use, retrieval and the speaker probe: values by hand, planted structure, the objective written out."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from ctaplib.corpus.alignment import Interval, count_lost
from ctaplib.evaluate import probes
from ctaplib.evaluate.frames import Frames, label_frames, reference_frames
from ctaplib.nn.codebook_use import perplexity, usage_pct


def test_use_and_perplexity_by_hand():
    counts = torch.tensor([[4, 4, 0, 0], [1, 1, 1, 1], [9, 0, 0, 0]])
    assert usage_pct(counts).tolist() == [50.0, 100.0, 25.0]
    assert perplexity(counts).tolist() == pytest.approx([2.0, 4.0, 1.0])


def test_frames_are_labelled_by_the_phone_that_fills_most_of_them():
    phones = [Interval("sil", 0.0, 0.05), Interval("t", 0.05, 0.06), Interval("a", 0.06, 0.16)]
    frames = Frames(0.01, 4)
    names, inside = label_frames(phones, 5, frames)
    assert names.tolist() == ["sil", "a", "a", "a", "sil"]
    assert inside.tolist() == [True, False, True, True, False]
    assert count_lost(phones, 0.01, 4) == (1, 2)
    assert count_lost([], 0.01, 4) == (0, 0)
    assert label_frames([], 2, frames)[0].tolist() == ["sil", "sil"]


def test_frames_of_other_hops():
    phones = [Interval("sil", 0.0, 0.05), Interval("t", 0.05, 0.06), Interval("a", 0.06, 0.16)]
    half = Frames(0.01, 2)
    assert label_frames(phones, 8, half)[0].tolist() == ["sil", "sil", "sil", "a", "a", "a", "a", "a"]
    assert count_lost(phones, 0.01, 1) == (0, 2)
    assert half.seconds == 0.02
    assert [reference_frames(hop_s).hop for hop_s in (0.01, 0.02, 0.005, 256 / 22050)] == [4, 2, 8, 3]


def plain_retrieval(queries, candidates, phones, utts):
    right = 0
    for i in range(len(queries)):
        best, score = None, -2.0
        for j in range(len(candidates)):
            if utts[i] != utts[j]:
                cosine = queries[i] @ candidates[j] / np.linalg.norm(queries[i]) / np.linalg.norm(candidates[j])
                if cosine > score:
                    best, score = j, cosine
        right += best is not None and phones[best] == phones[i]
    return right


def test_retrieval_equals_the_plain_loop(monkeypatch):
    monkeypatch.setattr(probes, "_CHUNK", 7)
    random = np.random.default_rng(0)
    s, p = random.normal(size=(2, 40, 4))
    phones, utts = random.integers(0, 3, 40), np.sort(random.integers(0, 5, 40))
    utts = np.unique(utts, return_inverse=True)[1]
    hits = probes.retrieve(s, p, phones, utts, np.arange(40))
    assert hits.correct.sum() == plain_retrieval(s, p, phones, utts)
    assert hits.total.sum() == 40 and hits.total.tolist() == np.bincount(utts).tolist()


def test_retrieval_never_looks_into_its_own_utterance():
    s = np.eye(4)
    hits = probes.retrieve(s, s, np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]), np.arange(4))
    assert hits.correct.sum() < 4
    alone = probes.retrieve(s, s, np.zeros(4, int), np.zeros(4, int), np.arange(4))
    assert alone.correct.sum() == 0


def test_chance_level_of_unrelated_spaces():
    random = np.random.default_rng(1)
    s, p = random.normal(size=(2, 1500, 8))
    phones, utts = random.integers(0, 5, 1500), np.repeat(np.arange(30), 50)
    hits = probes.retrieve(s, p, phones, utts, np.arange(1500))
    assert hits.correct.sum() / 1500 == pytest.approx(0.2, abs=0.04)


def test_windows_and_choice():
    sequence = np.arange(6)[:, None].astype(float)
    assert probes.windows(sequence).tolist() == [[0, 1, 2, 3, 4], [1, 2, 3, 4, 5]]
    assert probes.windows(sequence[:4]).shape == (0, 5)
    speakers, lengths = ["a", "a", "a", "b", "b"], [10, 10, 10, 10, 10]
    assert probes.choose_train(speakers, lengths, 30) == [0, 3, 1]
    assert sorted(probes.choose_train(speakers, lengths, 1000)) == [0, 1, 2, 3, 4]
    assert probes.evenly_spaced(5, 10).tolist() == [0, 1, 2, 3, 4]
    assert probes.evenly_spaced(101, 3).tolist() == [0, 50, 100]


@pytest.mark.parametrize("n_classes", [2, 4])
def test_the_probe_minimises_cross_entropy_with_its_penalty(n_classes):
    random, l2 = np.random.default_rng(0), 1e-2
    classes = random.integers(0, n_classes, 400)
    x = random.normal(size=(n_classes, 6))[classes] + 3.0 * random.normal(size=(400, 6)) + 5.0
    probe = probes.fit_probe(x, classes, l2, steps=1000)
    scaled, truth = (x - x.mean(0)) / x.std(0), np.eye(n_classes)[classes]

    def loss(flat):
        weights, bias = np.split(flat.reshape(7, n_classes), [6])
        logits = scaled @ weights + bias
        return float(np.mean(logsumexp(logits, 1) - (logits * truth).sum(1)) + 0.5 * l2 * (weights**2).sum())

    found = minimize(loss, np.zeros(7 * n_classes), method="L-BFGS-B", options={"ftol": 1e-13, "gtol": 1e-8, "maxfun": 10**6})
    weights, bias = np.split(found.x.reshape(7, n_classes), [6])
    shares = softmax(scaled @ weights + bias, 1)
    np.testing.assert_allclose(probe.predict_proba(x), shares, atol=2e-3)


def test_the_probe_finds_speakers_that_are_there_and_none_that_are_not():
    random = np.random.default_rng(2)

    def utterances(n, shift):
        return [((random.normal(size=(30, 8)) + shift * np.eye(8)[k]), k) for k in range(4) for _ in range(n)]

    leaky = probes.speaker_probe(utterances(10, 2.0), utterances(3, 2.0), 1e-4)
    clean = probes.speaker_probe(utterances(10, 0.0), utterances(3, 0.0), 1e-4)
    assert leaky.correct.sum() / leaky.total.sum() > 0.95
    assert clean.correct.sum() / clean.total.sum() < 0.4
