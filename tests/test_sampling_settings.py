"""The settings of a generation: what is accepted, what is refused, and how it is told."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from fractions import Fraction

import numpy as np
import pytest

from fakes import random_model
from ossnb.generation.sampling import MAX_SEED, SAMPLING_DEFAULTS, Sampling, SamplingOptions


def test_defaults_are_what_openai_recommends():
    settings = Sampling()
    assert (settings.temperature, settings.top_p, settings.top_k, settings.min_p) == (1.0, 1.0, 0, 0.0)
    assert settings.repetition_penalty == 1.0
    assert settings.max_tokens is None


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"temperature": -1}, "temperature must be >= 0, got -1"),
        ({"temperature": math.nan}, "temperature must be finite and >= 0, got nan"),
        ({"temperature": math.inf}, "temperature must be finite and >= 0, got inf"),
        ({"temperature": "hot"}, "temperature must be a number >= 0, got 'hot'"),
        ({"temperature": True}, "temperature must be a number >= 0, got True"),
        ({"top_p": 0}, r"top_p must be in \(0, 1\], got 0"),
        ({"top_p": 1.5}, r"top_p must be in \(0, 1\], got 1.5"),
        ({"top_k": -1}, "top_k must be >= 0, got -1"),
        ({"top_k": 1.5}, "top_k must be an integer >= 0, got 1.5"),
        ({"min_p": 1}, r"min_p must be in \[0, 1\), got 1"),
        ({"min_p": -0.1}, "min_p must be in"),
        ({"repetition_penalty": 0}, "repetition_penalty must be > 0, got 0"),
        ({"presence_penalty": 2.1}, r"presence_penalty must be in \[-2, 2\], got 2.1"),
        ({"frequency_penalty": -3}, "frequency_penalty must be in"),
        ({"logit_bias": [1]}, "logit_bias must map token ids to numbers, got list"),
        ({"logit_bias": {"a": 1}}, "logit_bias key must be an integer >= 0, got 'a'"),
        ({"logit_bias": {-1: 1}}, "logit_bias key must be >= 0, got -1"),
        ({"logit_bias": {5: math.nan}}, r"logit_bias\[5\] must be in \[-100, 100\], got nan"),
        ({"logit_bias": {5: 101}}, r"logit_bias\[5\] must be in"),
        ({"stop": [""]}, "stop strings must not be empty"),
        ({"stop": ""}, "stop strings must not be empty"),
        ({"stop": [1.5]}, "stop token id must be an integer >= 0, got 1.5"),
        ({"stop": [-1]}, "stop token id must be >= 0, got -1"),
        ({"stop": 1.5}, "stop must be strings or token ids, got float"),
        ({"stop": b"x"}, "stop must be strings or token ids, got bytes"),
        ({"seed": -1}, f"seed must be in 0..{MAX_SEED}, got -1"),
        ({"seed": 2**64}, "seed must be in"),
        ({"seed": "x"}, "seed must be an integer"),
        ({"logprobs": -1}, "logprobs must be in 0..100, got -1"),
        ({"logprobs": 101}, "logprobs must be in 0..100, got 101"),
        ({"logprobs": "yes"}, "logprobs must be an integer"),
        ({"top_k": True}, "top_k must be an integer"),
        ({"max_tokens": 0}, "max_tokens must be >= 1, got 0"),
        ({"max_tokens": 2.0}, "max_tokens must be an integer >= 1, got 2.0"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(setting, message):
    with pytest.raises(ValueError, match=message):
        Sampling.of(setting)


def test_an_unknown_setting_is_a_type_error_that_lists_the_known_ones():
    with pytest.raises(
        TypeError,
        match=r"unknown setting 'temprature'; did you mean temperature\? The settings are max_tokens, .*",
    ):
        Sampling.of({"temprature": 1})


def test_the_edges_are_allowed_and_numpy_numbers_become_plain_ones():
    settings = Sampling.of(
        {
            "temperature": np.float32(0),
            "top_p": 1,
            "top_k": np.int64(5),
            "min_p": 0,
            "seed": MAX_SEED,
            "max_tokens": 1,
        }
    )
    assert [type(v) for v in (settings.temperature, settings.top_p, settings.top_k)] == [float, float, int]
    assert Sampling(presence_penalty=-2, frequency_penalty=2, logprobs=100, logit_bias={0: -100, 7: 100})


def test_stop_takes_a_string_an_id_or_a_mixture():
    assert Sampling.of({"stop": "END"}).stop == ("END",)
    assert Sampling.of({"stop": 7}).stop == (7,)
    assert Sampling.of({"stop": None}).stop == ()
    mixed = Sampling.of({"stop": ["END", 7, np.int32(8)]})
    assert (mixed.stop_strings, mixed.stop_ids) == (("END",), {7, 8})


def test_a_seed_is_drawn_only_when_none_is_given():
    assert Sampling(seed=0).with_seed().seed == 0
    drawn = {Sampling().with_seed().seed for _ in range(20)}
    assert len(drawn) > 15
    assert all(0 <= seed < 2**32 for seed in drawn)


def test_ids_outside_the_vocabulary_are_refused():
    Sampling(logit_bias={9: 1}, stop=(9,)).check_vocabulary(10)
    with pytest.raises(ValueError, match=r"logit_bias: token id must be below 10 \(vocab_size\), got 10"):
        Sampling(logit_bias={10: 1}).check_vocabulary(10)
    with pytest.raises(ValueError, match="stop: token id must be below 10"):
        Sampling(stop=(12,)).check_vocabulary(10)


def test_settings_cannot_change_and_do_not_follow_the_callers_dict():
    bias = {1: 2.0}
    settings = Sampling(logit_bias=bias)
    bias[3] = 4.0
    assert settings.logit_bias == {1: 2.0}
    with pytest.raises(AttributeError):
        settings.temperature = 0


def test_to_dict_tells_what_shapes_a_choice_and_what_differs_and_is_json():
    always = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0}
    assert Sampling().to_dict() == {"seed": None} | always
    told = Sampling(temperature=0.5, stop=("a", 7), logit_bias={5: 1}, seed=3).to_dict()
    differing = {"temperature": 0.5, "stop": ["a", 7], "logit_bias": {"5": 1.0}, "seed": 3}
    assert told == always | differing
    assert json.loads(json.dumps(told)) == told


def test_what_callers_may_write_is_what_there_is():
    assert [f.name for f in dataclasses.fields(Sampling)] == list(SamplingOptions.__annotations__)


@pytest.mark.parametrize(
    "settings",
    [
        Sampling(),
        Sampling(temperature=0.5, stop=("a", 7), logit_bias={5: 1}, seed=3, max_tokens=9, logprobs=2),
        Sampling(seed=MAX_SEED, presence_penalty=-1, frequency_penalty=1, repetition_penalty=1.5),
    ],
)
def test_from_dict_reads_what_to_dict_wrote(settings):
    assert Sampling.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_a_seed_that_javascript_would_round_is_written_as_text():
    assert Sampling(seed=2**53 - 1).to_dict()["seed"] == 2**53 - 1
    assert Sampling(seed=2**53).to_dict()["seed"] == str(2**53)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "sampling must be an object, got list"),
        ({"temprature": 1}, "sampling has an unknown field 'temprature'"),
        ({"seed": "x"}, "seed must be an integer in 0..18446744073709551615, got 'x'"),
        ({"logit_bias": {"x": 1}}, "logit_bias key must be an integer >= 0, got 'x'"),
        ({"stop": {}}, "stop must be strings or token ids, got dict"),
    ],
)
def test_from_dict_names_what_is_wrong(content, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Sampling.from_dict(content)


def test_settings_are_values():
    assert len({Sampling(top_k=5), Sampling(top_k=5), Sampling(logit_bias={1: 2})}) == 2


@pytest.mark.parametrize("temperature", [5e-324, 1e-310, 1e-45, 1e-39, -0.0, Fraction(1, 10**400), 0])
def test_a_temperature_without_a_finite_inverse_is_greedy(temperature):
    assert Sampling(temperature=temperature).temperature == 0
    settings = {"seed": 7, "max_tokens": 12}
    model = random_model()
    greedy = model.complete([1, 2], temperature=0, **settings)
    for more in ({}, {"top_p": 0.5}, {"top_k": 5}, {"min_p": 0.5}):
        assert model.complete([1, 2], temperature=temperature, **more, **settings).tokens == greedy.tokens


def test_a_temperature_that_float32_can_divide_by_is_kept():
    for temperature in (2.0**-126, 1e-30, 2.0**126):
        assert Sampling(temperature=temperature).temperature == temperature
        assert np.isfinite(1 / np.float32(temperature))
    coldest = random_model().complete([1, 2], temperature=2.0**-126, top_p=0.5, seed=7, max_tokens=12)
    assert coldest.tokens == random_model().complete([1, 2], temperature=0, max_tokens=12).tokens


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"temperature": 1e39}, r"temperature must be at most 8.50706e\+37, got 1e\+39"),
        ({"temperature": 1e308}, "temperature must be at most"),
        ({"temperature": 10**400}, "temperature must be >= 0, got 1000"),
        ({"temperature": 10**5000}, "temperature must be >= 0, got a very large int"),
        ({"temperature": Fraction(10**400)}, "temperature must be >= 0"),
        ({"repetition_penalty": 1e-40}, r"repetition_penalty must be in 1e-06..1e\+06, got 1e-40"),
        ({"repetition_penalty": 5e-324}, "repetition_penalty must be in"),
        ({"repetition_penalty": 1e300}, "repetition_penalty must be in"),
        ({"repetition_penalty": 10**400}, "repetition_penalty must be > 0, got 1000"),
        ({"top_p": 10**5000}, "top_p must be in"),
        ({"min_p": -(10**400)}, "min_p must be in"),
        ({"presence_penalty": 10**400}, "presence_penalty must be in"),
        ({"logit_bias": {5: 10**400}}, "logit_bias"),
        ({"top_k": -(10**5000)}, "top_k must be >= 0, got a very large int"),
        ({"seed": 10**5000}, "seed must be in"),
        ({"logprobs": 10**5000}, "logprobs must be in"),
    ],
)
def test_numbers_beyond_what_a_logit_bears_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        Sampling.of(setting)


@pytest.mark.parametrize("penalty", [1e-6, 1e6])
@pytest.mark.parametrize("temperature", [0, 2.0**-126, 1, 2.0**126])
def test_the_most_extreme_settings_still_choose_among_all_tokens(penalty, temperature):
    settings = {"repetition_penalty": penalty, "temperature": temperature, "seed": 3, "max_tokens": 30}
    for more in ({}, {"top_p": 5e-324}, {"top_p": 0.9, "presence_penalty": 2, "frequency_penalty": -2}):
        tokens = random_model().complete([1, 2, 3], **settings, **more).tokens
        assert len(tokens) == 30
        assert set(tokens) != {0}


def test_a_stop_string_is_well_formed():
    assert Sampling(stop=["a\ud800", "\ud83d\ude00"]).stop == ("a\ufffd", "\U0001f600")


def test_none_is_the_default_of_every_setting():
    assert Sampling(**dict.fromkeys(SAMPLING_DEFAULTS)) == Sampling()
    assert Sampling.of(dict.fromkeys(SAMPLING_DEFAULTS)) == Sampling()


def test_logprobs_may_be_true_or_false():
    assert (Sampling(logprobs=True).logprobs, Sampling(logprobs=False).logprobs) == (1, 0)
    assert type(Sampling(logprobs=True).logprobs) is int
