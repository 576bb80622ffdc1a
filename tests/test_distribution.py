"""Kept distributions: what a slider shows is the sampler's distribution, within the error it tells."""

from __future__ import annotations

import numpy as np
import pytest

from fakes import random_model
from ossnb.generation.sampling import Sampling
from ossnb.views.distribution import N_KEPT, Distributions, reduced

N_VOCAB = 20_000
PROMPT, TOKENS = [3, 17, 40], [40, 7, 19_999, 5]


@pytest.fixture(scope="module")
def logits():
    """Four kinds of steps: sure, unsure, nearly flat, and one with many equals."""
    rng = np.random.default_rng(5)
    rows = rng.normal(0, 1, (4, N_VOCAB)) * np.array([[4.0], [2.0], [0.3], [1.0]])
    rows[3] = np.round(rows[3])
    return rows.astype(np.float32)


@pytest.fixture(scope="module")
def kept(logits):
    return Distributions.of(PROMPT, TOKENS, map(reduced, logits))


def exact(logits, seen, settings):
    """The definition: penalty, temperature, top_k, top_p, min_p over the whole vocabulary."""
    x = logits.astype(np.float64)
    penalty = settings.repetition_penalty
    x[seen] = np.where(x[seen] > 0, x[seen] / penalty, x[seen] * penalty)
    p = np.exp((x - x.max()) / settings.temperature)
    order = np.argsort(-p, kind="stable")
    if settings.top_k:
        p[order[settings.top_k :]] = 0
    mass_before = np.cumsum(p[order]) - p[order]
    if settings.top_p < 1:
        p[order[(mass_before >= settings.top_p * p.sum()) & (mass_before > 0)]] = 0
    p[p < settings.min_p * p.max()] = 0
    return p / p.sum()


@pytest.mark.parametrize(
    "settings",
    [
        *({"temperature": t} for t in (0.05, 0.3, 0.7, 1.0, 1.4, 2.0)),
        {"top_k": 40},
        {"top_k": 40, "temperature": 1.5, "top_p": 0.8},
        {"min_p": 0.2},
        {"repetition_penalty": 1.3, "temperature": 0.8},
        {"top_k": 100, "repetition_penalty": 2.0, "min_p": 0.01},
    ],
    ids=str,
)
def test_shares_are_within_the_error_of_the_exact_ones(kept, logits, settings):
    settings = Sampling(**settings)
    shares = kept.under(settings)
    seen = list(PROMPT)
    for t, row in enumerate(logits):
        true = exact(row, seen, settings)
        off = np.abs(shares.kept[t] - true[kept.ids[t]]).max()
        assert off <= shares.error[t] + 1e-6
        assert abs(shares.kept[t].sum() + shares.rest[t] - 1) < 1e-9
        seen += TOKENS[t : t + 1]


def test_the_error_is_small(kept):
    for temperature in (0.2, 0.5, 1.0, 1.5, 2.0):
        assert kept.under(Sampling(temperature=temperature)).error.max() < 0.002
        penalised = kept.under(Sampling(temperature=temperature, repetition_penalty=1.5))
        assert penalised.error.max() < 0.003


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"top_k": 40},
        {"top_k": 40, "top_p": 0.8},
        {"top_p": 0.3},
        {"min_p": 0.05},
        {"min_p": 0.05, "top_k": 10},
        {"temperature": 0.02},
        {"temperature": 0.02, "top_k": 5, "min_p": 0.5},
    ],
    ids=str,
)
@pytest.mark.parametrize("penalty", [1.2, 3.0])
@pytest.mark.parametrize("n_seen", [100, 256, 300])
def test_tokens_that_a_penalty_takes_below_others_are_in_the_error(logits, settings, penalty, n_seen):
    settings = Sampling(**settings, repetition_penalty=penalty)
    for row in logits:
        seen = np.argsort(-row, kind="stable")[:n_seen].tolist()
        shares = Distributions.of(seen, TOKENS[:1], [reduced(row)]).under(settings)
        true = exact(row, seen, settings)
        (ids,) = Distributions.of(seen, TOKENS[:1], [reduced(row)]).ids
        off = np.abs(shares.kept[0] - true[ids]).max()
        at_the_cut = true.max() if settings.top_p < 1 else 0  # one token may come or go
        assert off <= shares.error[0] + at_the_cut + 1e-6
        assert np.isfinite(shares.kept).all()
        assert shares.error[0] <= 1


def test_the_likeliest_may_be_one_that_was_not_kept(logits):
    seen = np.argsort(-logits[0], kind="stable")[:N_KEPT].tolist()
    kept = Distributions.of(seen, TOKENS[:1], [reduced(logits[0])])
    assert kept.under(Sampling(temperature=0)).error == 0
    assert kept.under(Sampling(temperature=0, repetition_penalty=3)).error == 1


@pytest.mark.parametrize("top_p", [0.1, 0.5, 0.9])
def test_top_p_cuts_where_the_sampler_does(kept, logits, top_p):
    settings = Sampling(top_p=top_p, temperature=0.7)
    shares = kept.under(settings)
    for t in (0, 1):  # where the cut is among the kept tokens
        true = exact(logits[t], [], settings)
        differ = (shares.kept[t] > 0) != (true[kept.ids[t]] > 0)
        assert differ.sum() <= 1
        np.testing.assert_allclose(shares.kept[t], true[kept.ids[t]], atol=0.01)


def test_temperature_zero_is_the_likeliest(kept):
    shares = kept.under(Sampling(temperature=0))
    np.testing.assert_array_equal(shares.kept.argmax(axis=1), 0)
    np.testing.assert_array_equal(shares.kept.sum(axis=1), 1)


def test_before_is_exact(kept, logits):
    p = np.exp(logits.astype(np.float64))
    p /= p.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(kept.before(), np.take_along_axis(p, kept.ids.astype(np.int64), 1), rtol=1e-5)


def test_written_tokens_are_found(kept, logits):
    written = kept.written(kept.before())
    p = np.exp(logits.astype(np.float64))
    p /= p.sum(axis=1, keepdims=True)
    for t, token in enumerate(TOKENS):
        expected = p[t, token] if token in kept.ids[t] else 0
        assert written[t] == pytest.approx(expected, rel=1e-4)


def test_what_a_step_keeps_is_a_few_kb(kept):
    n_bytes = sum(getattr(kept, name)[:1].nbytes for name in kept.__slots__)
    assert n_bytes < 5000


def test_a_small_vocabulary_is_kept_whole():
    reply = random_model(n_vocab=100).complete([5, 9], max_tokens=4, seed=1)
    with pytest.raises(RuntimeError, match="not there any more"):
        Distributions.read(reply)
    model = random_model(n_vocab=100)
    kept = Distributions.read(model.complete([5, 9], max_tokens=4, seed=1))
    shares = kept.under(Sampling(temperature=0.9))
    assert shares.kept.shape == (4, 100)
    np.testing.assert_array_equal(shares.rest, 0)
    np.testing.assert_array_equal(shares.error, 0)
    all_of_it = kept.under(Sampling(temperature=0.9, top_k=200))
    np.testing.assert_array_equal(all_of_it.kept, shares.kept)


def test_logits_far_below_zero_are_like_any_others():
    step = np.linspace(-900, -800, 100, dtype=np.float32)
    shares = Distributions.of([1], [2], [reduced(step)]).under(Sampling(temperature=0.05))
    assert shares.kept.sum() == 1
    assert shares.error == 0


@pytest.mark.parametrize("settings", [{"repetition_penalty": 0.9}, {"top_k": N_KEPT + 1}])
def test_settings_it_cannot_answer_are_refused(kept, settings):
    with pytest.raises(ValueError, match="at least 1 and top_k at most 256"):
        kept.under(Sampling(**settings))
