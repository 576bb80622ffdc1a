"""`reply.sources()`: the attention of an answer by the parts of its prompt, and what a prompt's parts are."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import ossnb
from ossnb.engine import spread as spreading
from ossnb.engine.spread import spread
from ossnb.harmony.messages import Message, tool_result
from ossnb.harmony.parts import parts_of
from ossnb.harmony.prompt import render
from ossnb.harmony.tokenizer import Tokenizer
from ossnb.testing import write_random_checkpoint
from test_views import assert_inert

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def model():
    return ossnb.load("demo")


@pytest.fixture(scope="module")
def reply(model):
    return model.generate("What is 17 + 25?", "Be brief.", temperature=0)


def expected(reply, sources):
    """The mean over layers and heads of the whole matrices, added up over the parts."""
    n_layers = len(sources.layers)
    weights = np.mean([reply.attention(int(layer)).weights for layer in sources.layers], axis=0)
    assert n_layers
    bounds = [(part.start, part.stop) for part in sources.parts]
    return np.stack([weights[:, a:b].sum(axis=1) for a, b in bounds], axis=1), weights


@pytest.mark.parametrize("layers", [None, [0], [-1, 1]])
def test_shares_are_those_of_the_whole_matrices(reply, layers):
    sources = reply.sources(layers)
    by_token, weights = expected(reply, sources)
    np.testing.assert_allclose(sources.by_token, by_token, atol=1e-6)
    np.testing.assert_allclose(sources.heat, weights[:, : len(reply.prompt_tokens)].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(sources.by_head.mean(axis=(0, 1)), sources.shares, atol=1e-6)
    assert sources.by_head.shape == (len(sources.layers), 8, len(sources.parts))
    assert sources.shares.sum() + sources.sinks == pytest.approx(1, abs=1e-5)
    head = reply.attention(int(sources.layers[0]), head=2).weights
    question = next(part for part in sources.parts if part.name == "question")
    at = sources.parts.index(question)
    assert sources.by_head[0, 2, at] == pytest.approx(
        head[:, question.start : question.stop].sum(axis=1).mean(), abs=1e-6
    )


def test_the_live_view_has_every_token_in_every_head(model, reply, monkeypatch):
    """Parts of one name are together there; a long answer has the means alone."""
    sources = reply.sources([0, 2])
    view, n_names = sources.widget, len(dict.fromkeys(part.name for part in sources.parts))
    n = len(reply.tokens)
    each = np.frombuffer(view.each, "<f4").reshape(2, 8, n, n_names)
    shares = np.frombuffer(view.shares, "<f4").reshape(n, n_names)
    np.testing.assert_allclose(each.mean(axis=(0, 1)), shares, atol=1e-6)
    np.testing.assert_allclose(shares.mean(axis=0), [share for *_, share in sources.rows()], atol=1e-6)
    question = next(part for part in sources.parts if part.name == "question")
    weights = reply.attention(2, head=5).weights[:, question.start : question.stop].sum(axis=1)
    np.testing.assert_allclose(each[1, 5, :, view.names.index("question")], weights, atol=1e-6)
    assert view.layers == [0, 2]
    assert [view.names[at] for at in (view.places[0], view.places[-1])] == [
        "system message",
        "begin of the answer",
    ]
    assert len(view.heat) == 4 * len(reply.prompt_tokens) == 4 * len(view.prompt)
    monkeypatch.setattr(spreading, "MOST_EACH", 1000)
    view = reply.sources([1]).widget
    assert (view.layers, view.each) == ([], b"")
    assert len(view.shares) == 4 * n * n_names


def test_small_memory_takes_more_readings_and_gives_the_same(tmp_path, monkeypatch):
    """Sliding layers, several blocks of tokens, and parts that a window does not see."""
    shape = {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 4, "sliding_window": 24}
    model = ossnb.load(write_random_checkpoint(tmp_path / "m", shape, seed=3))
    tokens, start, bounds = list(range(5, 180)), 150, [0, 10, 100, 150, 175]
    n_read = []

    def blocks():
        n_read.append(1)
        return model.trace_blocks(tokens)

    settings = (model.tensors, model.config, [0, 1, 2, 3], len(tokens), start, bounds)
    whole = spread(blocks, *settings)
    assert len(n_read) == 1
    monkeypatch.setattr(spreading, "MOST_BYTES", 1)
    monkeypatch.setattr(spreading, "MOST_WEIGHTS", 300)
    parts = spread(blocks, *settings)
    assert len(n_read) == 1 + 4
    for name in ("by_token", "by_head", "heat"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=1e-6)
    weights = model.trace(tokens, what="attention", start=start)["attention"]
    np.testing.assert_allclose(whole.heat, weights[..., :start].mean(axis=(0, 1, 2)), atol=1e-6)
    np.testing.assert_allclose(whole.by_head[..., 1], weights[..., 10:100].sum(-1).mean(-1), atol=1e-5)


def test_inserted_texts_have_their_names(model):
    text = "a,b\n1,2"
    reply = model.generate(f"Add the numbers of:\n{text}\nPlease.", seed=1, max_tokens=10)
    sources = reply.sources(named={"df": text})
    names = [part.name for part in sources.parts]
    assert names == [
        "system message",
        "question",
        "df",
        "question",
        "begin of the answer",
        "the answer itself",
    ]
    df = sources.parts[2]
    assert text in Tokenizer().decode(reply.prompt_tokens[df.start : df.stop])
    assert df.stop - df.start <= len(Tokenizer().encode(text)) + 2
    assert 0 < sources.share("df") < 1
    assert "df" in dict(sources.strongest(20))
    for bad in ({"df": 3}, "df", [1]):
        with pytest.raises(ValueError, match="named must be texts of the prompt by name"):
            reply.sources(named=bad)
    with pytest.raises(ValueError, match="that of 'absent' is not in it: 'nowhere'"):
        reply.sources(named={"df": text, "absent": "nowhere"})
    with pytest.raises(ValueError, match="name must be a part of the prompt, of system message, "):
        sources.share("mood")


@pytest.mark.parametrize("year", ["2024", "user", "message", "end", "system"])
def test_a_named_text_is_the_questions(year):
    """The system message has a date, and headers have words."""
    parts = parts_of(render([Message("user", f"Is {year} a leap year?")]), {"year": year})
    assert [part.name for part in parts] == [
        "system message",
        "question",
        "year",
        "question",
        "begin of the answer",
    ]


def test_a_named_text_of_an_earlier_turn_goes_last():
    said = Message("user", "Look: a,b"), Message("assistant", "a,b it is.", "final")
    prompt = render([*said, Message("user", "And a,b again: a,b")])
    parts = parts_of(prompt, {"df": "a,b", "other": "a,b", "answered": "it is", "date": "2024-06"})
    assert [part.name for part in parts] == [
        *("system message", "date", "system message"),
        "turn 1: user",
        *("turn 1: answer", "answered", "turn 1: answer"),
        *("question", "df", "question", "other", "question"),
        "begin of the answer",
    ]
    result = render([Message("user", "How is Rome?"), tool_result("weather", "sun in Paris")])
    assert "named" in [part.kind for part in parts_of(result, {"city": "Paris"})]


def test_parts_of_a_conversation_with_tools():
    messages = [
        Message("user", "First?"),
        Message("assistant", "hm", "analysis"),
        Message("assistant", '{"city": "Rome"}', "commentary", "functions.weather", "<|constrain|>json"),
        tool_result("weather", "# Tools\n\nsun"),
        Message("assistant", "Sunny.", "final"),
        Message("user", "Second?\n\n# Tools\nx"),
    ]
    form = "# Response Formats\n\n## answer\n\n{}"
    prompt = render(messages, instructions="Be # Tools\nkind.", tools=[{"name": "weather"}], form=form)
    parts = parts_of(prompt)
    assert [part.name for part in parts] == [
        "system message",
        "instructions",
        "tools",
        "form",
        "turn 1: user",
        "turn 1: call of weather",
        "result of weather",
        "turn 1: answer",
        "question",
        "begin of the answer",
    ]
    assert [(a.stop, b.start) for a, b in pairwise(parts)] == [(part.start, part.start) for part in parts[1:]]
    assert (parts[0].start, parts[-1].stop) == (0, len(prompt))
    text = Tokenizer().decode(prompt[parts[2].start : parts[2].stop])
    assert "type weather" in text
    assert "kind" not in text


def test_a_prompt_without_messages_is_one_part(model):
    reply = model.complete("Roses are red, violets", max_tokens=3, temperature=0)
    assert [part.name for part in reply.sources().parts] == ["text", "the answer itself"]
    assert parts_of([1, 2, 3])[0].stop == 3


def test_the_view_is_escaped_and_says_what_attention_cannot(model, tmp_path):
    reply = model.generate(f"Say {HOSTILE}", seed=1, max_tokens=5)
    sources = reply.sources(named={"<b>bold</b>\x1b[2J": HOSTILE})
    page = sources.bundle()["text/html"]
    assert HOSTILE not in page
    assert "<b>bold" not in page
    assert "\x1b" not in page + repr(sources)
    assert_inert(page)
    for text in (page, repr(sources)):
        assert "It does not say why the model wrote them" in text
    sources.to_html(tmp_path / "sources.html")
    assert "What the answer looked at" in (tmp_path / "sources.html").read_text()
    sources.hides_special = True
    assert len(sources.bundle()["text/html"]) < len(page)


def test_replies_without_a_model_or_tokens_have_no_sources(reply):
    with pytest.raises(RuntimeError, match="needs the model that wrote the reply"):
        ossnb.Reply.from_dict(reply.to_dict()).sources()
    with pytest.raises(ValueError, match="no tokens to look at"):
        ossnb.Reply("").sources()
    with pytest.raises(ValueError, match="layers must be integers in"):
        reply.sources([9])
