"""Choosing tokens: the right distribution, the right filters, the same draws for the same seed."""

import numpy as np
import pytest

import ossnb
from ossnb import _core


def sampler(n_vocab=8, **settings):
    return _core.Sampler(n_vocab=n_vocab, **settings)


def draws(s, logits, n=4000):
    logits = np.asarray(logits, np.float32)
    return np.array([s.sample(logits, position)[0] for position in range(n)])


def softmax(x):
    e = np.exp(np.asarray(x, np.float64) - np.max(x))
    return e / e.sum()


LOGITS = np.array([2.0, 1.0, 0.5, 0.0, -1.0, 1.5, -3.0, 0.25], np.float32)


def assert_distribution(tokens, p):
    """Chi-square against p; a right sampler fails with one seed in ten thousand, and seeds are fixed."""
    from math import sqrt

    count = np.bincount(tokens, minlength=len(p))
    assert (count[p == 0] == 0).all()
    expected = p[p > 0] * len(tokens)
    chi2 = ((count[p > 0] - expected) ** 2 / expected).sum()
    dof = (p > 0).sum() - 1
    assert chi2 < dof + 4 * sqrt(2 * dof) + 8


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_distribution_is_the_softmax(temperature):
    tokens = draws(sampler(temperature=temperature, seed=1), LOGITS)
    assert_distribution(tokens, softmax(LOGITS / temperature))


@pytest.mark.slow
def test_distribution_over_a_real_vocabulary():
    logits = np.full(201_088, -8.0, np.float32)
    logits[[5, 100_000, 201_087]] = [4.0, 5.0, 4.5]
    p = softmax(logits)
    tokens = draws(sampler(201_088, seed=2), logits, 600)
    named = np.array([p[5], p[100_000], p[201_087]])
    buckets = np.select([tokens == 5, tokens == 100_000, tokens == 201_087], [0, 1, 2], 3)
    assert_distribution(buckets, np.append(named, 1 - named.sum()))


def test_temperature_zero_is_the_first_of_the_likeliest():
    logits = np.array([1, 3, 3, 2], np.float32)
    assert sampler(4, temperature=0).sample(logits, 0)[0] == 1


def test_tiny_temperature_and_huge_logits_stay_finite():
    logits = np.array([1e30, -1e30, 1e30 * 0.999, 0], np.float32)
    token, logprob, _, _ = sampler(4, temperature=1e-6).sample(logits, 0)
    assert token == 0
    assert logprob == 0


def test_nan_logits_do_not_hang_or_raise():
    assert sampler(4).sample(np.full(4, np.nan, np.float32), 0)[0] == 0
    assert sampler(4, top_p=0.5).sample(np.array([np.nan, 1, 2, np.nan], np.float32), 0)[0] in (1, 2)


def test_top_k():
    tokens = draws(sampler(top_k=3, seed=3), LOGITS)
    p = softmax(LOGITS)
    p[np.argsort(-LOGITS)[3:]] = 0
    assert_distribution(tokens, p / p.sum())


def test_top_k_takes_the_lower_id_of_a_tie():
    assert set(draws(sampler(4, top_k=2, seed=3), [1, 1, 1, 1], 200)) == {0, 1}


def test_top_p_keeps_the_token_that_crosses_it():
    p = softmax(LOGITS)
    order = np.argsort(-p)
    kept = order[: np.searchsorted(np.cumsum(p[order]), 0.7) + 1]
    expected = np.zeros_like(p)
    expected[kept] = p[kept] / p[kept].sum()
    assert_distribution(draws(sampler(top_p=0.7, seed=4), LOGITS), expected)


def test_min_p_is_relative_to_the_likeliest():
    p = softmax(LOGITS)
    p[p < 0.2 * p.max()] = 0
    assert_distribution(draws(sampler(min_p=0.2, seed=5), LOGITS), p / p.sum())


@pytest.mark.parametrize("top_k", [8, 0])
def test_top_p_is_a_share_of_what_top_k_leaves_also_with_min_p(top_k):
    """top_k, then top_p, then min_p: what min_p drops counts for the share. Eight of eight drops nothing."""
    logits = np.log([1, 0.5, *[0.09] * 6]).astype(np.float32)
    tokens = draws(sampler(top_k=top_k, top_p=0.6, min_p=0.1, seed=1), logits)
    assert_distribution(tokens, np.array([2, 1, 0, 0, 0, 0, 0, 0]) / 3)


def test_filters_act_at_the_temperature():
    p = softmax(LOGITS / 3)
    p[p < 0.5 * p.max()] = 0
    assert_distribution(draws(sampler(min_p=0.5, temperature=3.0, seed=6), LOGITS), p / p.sum())


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"top_k": 40},
        {"top_p": 0.9},
        {"min_p": 0.05},
        {"top_k": 100, "top_p": 0.5},
        {"top_k": 100, "top_p": 0.9, "min_p": 0.02},
    ],
)
def test_filters_on_a_real_vocabulary_agree_with_sorting_everything(settings):
    rng = np.random.default_rng(7)
    logits = (3 * rng.standard_normal(201_088)).astype(np.float32)
    p = softmax(logits)
    order = np.lexsort((np.arange(len(p)), -logits))
    kept = order[: settings.get("top_k") or len(order)]
    mass = np.cumsum(p[kept]) / p[kept].sum()
    kept = kept[: np.searchsorted(mass, settings.get("top_p", 1.0)) + 1]
    allowed = set(kept[p[kept] >= settings.get("min_p", 0.0) * p.max()])
    chosen = set(draws(sampler(201_088, seed=8, **settings), logits, 150))
    assert chosen <= allowed
    assert len(chosen) > 10


def test_repetition_penalty_counts_the_prompt_and_what_was_accepted():
    logits = np.array([2.0, -1.0, 1.9, -2.5], np.float32)
    s = sampler(4, temperature=0, repetition_penalty=3.0, prompt=np.array([0], np.int32))
    assert s.sample(logits, 0)[0] == 2  # 2/3 < 1.9
    s.accept(2)
    assert s.sample(logits, 1)[0] == 0  # 2/3 > 1.9/3
    s.accept(1)
    assert s.sample(np.array([-9, -1, -9, -2.5], np.float32), 2)[0] == 3  # -1 becomes -3


def test_presence_and_frequency_count_only_what_was_accepted():
    logits = np.array([2.0, 1.0, 0.0, -1.0], np.float32)
    s = sampler(
        4, temperature=0, presence_penalty=0.6, frequency_penalty=0.5, prompt=np.array([0, 0, 0], np.int32)
    )
    chosen = []
    for position in range(4):
        chosen.append(s.sample(logits, position)[0])
        s.accept(chosen[-1])
    # after one 0 (2 - 1.1 = 0.9 < 1.0), then one 1 (1 - 1.1 < 0.9), then two 0s (2 - 1.6 = 0.4 > 0.0 > -0.1)
    assert chosen == [0, 1, 0, 0]


def test_sample_does_not_change_the_sampler():
    s = sampler(seed=9, frequency_penalty=1.0)
    assert len({s.sample(LOGITS, 3)[0] for _ in range(20)}) == 1


def test_logit_bias_can_force_and_forbid():
    assert set(draws(sampler(logit_bias={6: 100.0}, seed=10), LOGITS, 100)) == {6}
    assert 0 not in draws(sampler(logit_bias={0: -100.0}, seed=10), LOGITS, 500)


def test_the_same_seed_draws_the_same_whatever_came_before():
    a, b = sampler(seed=11), sampler(seed=11)
    first = draws(a, LOGITS, 50)
    b.sample(LOGITS, 1000)
    np.testing.assert_array_equal(draws(b, LOGITS, 50), first)
    assert (draws(sampler(seed=12), LOGITS, 50) != first).any()
    assert (draws(sampler(seed=2**63 + 11), LOGITS, 50) != first).any()


def test_a_seed_means_the_same_tokens_for_ever():
    """Fails when a change would give users other text for their seeds: then say so in the changelog."""
    tokens = draws(sampler(seed=42), LOGITS, 16)
    assert tokens.tolist() == [4, 7, 1, 5, 2, 1, 7, 0, 7, 0, 1, 0, 2, 2, 7, 5]


def test_logprobs_are_those_of_the_untouched_logits():
    p = np.log(softmax(LOGITS))
    token, logprob, ids, logprobs = sampler(temperature=0.3, top_k=2, logit_bias={3: 50.0}).sample(
        LOGITS, 0, 4
    )
    assert token == 3
    np.testing.assert_allclose(logprob, p[3], atol=1e-5)
    assert ids.tolist() == np.argsort(-LOGITS)[:4].tolist()
    np.testing.assert_allclose(logprobs, p[ids], atol=1e-5)
    assert len(sampler().sample(LOGITS, 0, 50)[2]) == 8


def test_the_likeliest_are_as_many_as_a_mask_allows():
    mask = np.array([0b10010], np.uint32)
    chooser = _core.Chooser(_core.Sampler(n_vocab=8, temperature=0.0), 0, n_top=3, mask=mask)
    choice = chooser.choose(np.array(LOGITS, np.float32))
    assert set(choice.top_ids.tolist()) == {1, 4}
    assert np.isfinite(choice.top_logprobs).all()


def test_logprobs_over_a_real_vocabulary():
    logits = (4 * np.random.default_rng(13).standard_normal(201_088)).astype(np.float32)
    token, logprob, _, _ = sampler(201_088, seed=13).sample(logits, 0)
    assert abs(logprob - np.log(softmax(logits)[token])) < 1e-5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": -1.0}, "temperature must be >= 0, got -1"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_k": -1}, "top_k"),
        ({"top_p": 0.0}, "top_p must be above 0"),
        ({"top_p": 1.5}, "top_p"),
        ({"min_p": 1.0}, "min_p"),
        ({"repetition_penalty": 0.0}, "repetition_penalty"),
        ({"logit_bias": {8: 1.0}}, "vocabulary"),
        ({"logit_bias": {0: float("nan")}}, "logit_bias"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        sampler(**settings)


def test_logits_of_another_length():
    with pytest.raises(ValueError, match="one row of 8"):
        sampler().sample(LOGITS[:5], 0)


@pytest.mark.parametrize("temperature", [5e-324, 1e-310, 1e-308])
@pytest.mark.parametrize("more", [{}, {"top_p": 0.9}, {"top_k": 3}, {"min_p": 0.1}])
def test_a_temperature_near_0_is_greedy(temperature, more):
    assert sampler(temperature=temperature, **more).sample(LOGITS, 0)[0] == int(np.argmax(LOGITS))


@pytest.mark.parametrize("more", [{}, {"top_p": 0.9}, {"temperature": 0}])
@pytest.mark.parametrize(
    "setting",
    [
        {"repetition_penalty": 1e-40, "prompt": np.array([5, 6], np.int32)},
        {"logit_bias": {5: np.inf, 6: np.inf}},
        {"logit_bias": {5: 1e39, 6: 1e300}},
    ],
)
def test_settings_that_overflow_still_choose_among_the_tokens_they_favour(setting, more):
    logits = np.linspace(1, 2, 8).astype(np.float32)
    assert sampler(**setting, **more).sample(logits, 0)[0] in (5, 6)


@pytest.mark.parametrize("name", ["temperature", "repetition_penalty"])
def test_an_infinite_setting_is_a_value_error(name):
    with pytest.raises(ValueError, match="finite"):
        sampler(**{name: np.inf})


def test_none_is_no_sampler():
    with pytest.raises(TypeError, match="incompatible"):
        _core.Chooser(None, 0)


def test_none_is_no_sequence():
    core = ossnb.load("demo").engine.core
    with pytest.raises(ValueError, match="a feed is \\(sequence, tokens, n_wanted\\), got None"):
        core.step([(None, np.array([1], np.int32), 1)], [])
