"""Replies side by side: where they part, what differs, and which settings made it so."""

from __future__ import annotations

import json

import pytest

import ossnb
from fakes import random_model, scripted_model
from ossnb.generation.record import Reply
from ossnb.generation.sampling import Sampling

EVIL = "<script>hit()</script><img src=x onerror=hit()>"


def written(*tokens, **fields):
    return Reply("", tokens=list(tokens), **fields)


def test_differences_are_the_stretches_that_not_all_have():
    view = ossnb.compare([written(1, 2, 3, 4, 5), written(1, 2, 9, 4, 5, 6)])
    assert view.parting == 2
    assert view.differences == [[(2, 3), (2, 3)], [(5, 5), (5, 6)]]
    three = ossnb.compare([written(1, 2, 3, 4), written(1, 2, 4), written(1, 8, 3, 4)])
    assert three.parting == 1
    assert three.differences == [[(1, 3), (1, 2), (1, 3)]]


def test_what_all_begin_with_comes_before_a_longer_match_elsewhere():
    view = ossnb.compare([written(1, 5, 6, 7, 8), written(1, 9, 1, 5, 6, 7, 8)])
    assert view.parting == 1
    assert view.differences[0] == [(1, 1), (1, 3)]


@pytest.mark.parametrize("n", [2, 3, 12])
def test_the_parts_of_every_reply_are_all_of_it(n):
    model = random_model(n_vocab=40)
    replies = [model.complete([5, 9, 2], max_tokens=120, seed=seed) for seed in range(n)]
    view = ossnb.compare(replies)
    commons = []
    for i, reply in enumerate(replies):
        parts = [difference[i] for difference in view.differences]
        assert all(0 <= start <= stop <= len(reply.tokens) for start, stop in parts)
        common, at = [], 0
        for start, stop in parts:
            common += reply.tokens[at:start]
            at = stop
        commons.append(common + reply.tokens[at:])
    assert commons == [commons[0]] * n
    assert view.parting == next(t for t in range(120) if len({reply.tokens[t] for reply in replies}) > 1)


def test_the_same_replies_differ_nowhere():
    view = ossnb.compare([written(1, 2), written(1, 2)])
    assert (view.differences, view.parting) == ([], 2)
    assert "the same token for token" in repr(view)
    assert view.widget.replies[0]["parts"] == []
    assert "the same token for token" in view.html()


def test_a_reply_that_is_the_beginning_of_another_parts_at_its_end():
    view = ossnb.compare([written(1, 2, 3), written(1, 2)])
    assert (view.parting, view.differences) == (2, [[(2, 3), (2, 2)]])


def test_only_settings_that_are_not_the_same_are_told():
    model = random_model()
    replies = [model.complete([5, 9, 2], max_tokens=6, seed=4, temperature=t) for t in (0.5, 1.5)]
    view = ossnb.compare(replies)
    assert view.settings == [{"temperature": 0.5}, {"temperature": 1.5}]
    assert "Reply 2 · temperature=1.5 · 6 tokens" in view.html()
    efforts = [
        written(1, effort=effort, prompt_sha256=effort, sampling=Sampling(seed=1))
        for effort in ("low", "high")
    ]
    assert ossnb.compare(efforts).settings == [{"effort": "low"}, {"effort": "high"}]


def test_a_seed_is_told_where_it_matters():
    greedy = [written(1, sampling=Sampling(seed=seed, temperature=0)) for seed in (1, 2)]
    assert ossnb.compare(greedy).settings == [{}, {}]
    drawn = written(1, sampling=Sampling(seed=3))
    settings = ossnb.compare([greedy[0], drawn]).settings
    assert settings == [{"temperature": 0.0}, {"temperature": 1.0, "seed": 3}]


def test_replies_from_files_need_no_model():
    reply = scripted_model("<|channel|>final<|message|>Yes").generate("Hi", seed=1)
    loaded = Reply.from_dict(json.loads(json.dumps(reply.to_dict())))
    assert ossnb.compare([loaded, loaded]).differences == []


def test_what_a_model_wrote_stays_text():
    models = [scripted_model(f"<|channel|>final<|message|>{text}") for text in (EVIL, "No")]
    replies = [model.generate("Hi", seed=1) for model in models]
    view = ossnb.compare(replies)
    for page in (view.html(), view.bundle()["text/html"]):
        assert "<script" not in page
        assert "<img" not in page
    assert "&lt;" in view.html()


def test_long_replies_are_compared_in_seconds():
    view = ossnb.compare([written(*[1, 2, 3] * 5000), written(*[2, 3, 1] * 5000)])
    assert view.parting == 0
    assert len(view.html()) < 2_000_000
    assert view.widget.replies[0]["n_left_out"] == 12_000


@pytest.mark.parametrize(
    ("replies", "told"),
    [
        (written(1), "must be a list of Reply objects, got Reply"),
        (5, "must be a list of Reply objects, got 5"),
        ([written(1)], "2 to 12 of them, got 1"),
        ([written(1)] * 13, "2 to 12 of them, got 13"),
        ([written(1), "text"], "must be Reply objects, got 'text' among them"),
        ([written(1), written()], "no tokens to compare"),
    ],
)
def test_what_cannot_be_compared_is_told(replies, told):
    with pytest.raises(ValueError, match=told):
        ossnb.compare(replies)
