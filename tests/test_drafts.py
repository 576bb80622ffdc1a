"""Drafts: several tokens a pass, and the text, its figures and what is kept are those of a run without."""

from __future__ import annotations

import threading
import time
import zlib

import numpy as np
import pytest

import ossnb
from fakes import Core, model_of, scripted_model, wait_until
from ossnb.generation.drafts import PAUSE, Drafter, Drafts, RowCosts, Text
from ossnb.harmony.tokenizer import Tokenizer
from ossnb.notebook.options import parse_cell_line
from ossnb.page.figures import stats_line
from ossnb.system.text import counted
from ossnb.testing import write_random_checkpoint

FOX = "Repeat: the quick brown fox jumps over the lazy dog and the quick brown fox jumps over the lazy dog."
QUESTION = "What is 17 + 25?"
SETTINGS = [
    {"temperature": 0},
    {"seed": 3},
    {"seed": 4, "top_p": 0.9, "top_k": 50},
    {"seed": 3, "logprobs": 3, "logit_bias": {11: -1}},
    {"seed": 3, "stop": ["17", "fox"]},
    {"seed": 3, "max_reasoning_tokens": 9},
    {"seed": 5, "repetition_penalty": 1.2},
    {"seed": 5, "temperature": 1.7},
]


@pytest.fixture(scope="module", params=["exact", "fast"])
def demo(request):
    return ossnb.load("demo", precision=request.param)


def facts(reply):
    """All of a reply but what drafts may change."""
    stats = reply.stats
    counts = stats.n_prompt_tokens, stats.n_new_tokens, stats.n_decode_steps + stats.n_accepted_tokens
    return (
        *(reply.tokens, reply.text, reply.reasoning, reply.logprobs, reply.finish_reason, reply.notes),
        *(reply.messages, counts),
    )


def repeating_model(n_odd=7, n_vocab=300):
    """A model that mostly repeats twelve tokens, and departs from them now and then."""

    def logits_after(tokens):
        row = np.zeros(n_vocab, np.float32)
        here = zlib.crc32(np.asarray(tokens, np.int32).tobytes())
        row[here % n_vocab if here % n_odd == 0 else 20 + len(tokens) % 12] = 20
        return row

    return model_of(Core(logits_after, n_vocab))


PROMPT = [20 + i % 12 for i in range(30)]


# ---- the text is the same ----------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("question", [FOX, QUESTION])
def test_the_reply_is_the_one_without_drafts(demo, question, settings):
    demo.forget()
    plain = demo.generate(question, drafts=False, **settings)
    drafted = [demo.generate(question, drafts=drafts, **settings) for drafts in (True, None)]
    assert [facts(reply) for reply in drafted] == [facts(plain)] * 2
    assert plain.stats.n_drafted_tokens == 0
    stats = drafted[0].stats
    if "repetition_penalty" in settings:
        assert stats.n_drafted_tokens == 0
    elif plain.stats.n_new_tokens > 12:
        assert 0 < stats.n_accepted_tokens <= stats.n_drafted_tokens
        assert stats.n_decode_steps < plain.stats.n_decode_steps


@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_rows_of_a_draft_have_the_bits_of_rows_alone(tmp_path, precision):
    """Logits, on a model of random weights whose window is passed and whose blocks are crossed."""
    shape = {"num_hidden_layers": 2, "vocab_size": 300, "sliding_window": 16, "num_local_experts": 8}
    folder = write_random_checkpoint(tmp_path / "model", shape, seed=1)
    seen = []
    with ossnb.load(folder, precision=precision) as model:
        for drafts in (False, True):
            model.forget()
            if drafts:  # the text is known already, all but one token
                model.complete(PROMPT, seed=2, max_tokens=80, drafts=False)
                model.complete(PROMPT, seed=2, max_tokens=40, drafts=False, logit_bias={7: 5})
            logits = []
            stream = model.stream_complete(PROMPT, seed=2, max_tokens=80, drafts=drafts)
            stream.on_logits = lambda row, logits=logits: logits.append(row.tobytes())
            seen.append((stream.run(), logits))
        (plain, expected), (drafted, found) = seen
        assert facts(plain) == facts(drafted)
        assert expected == found
        assert drafted.stats.n_accepted_tokens > 20
        del stream
        model.forget()
        assert model.engine.core.kv.used_bytes == 0


def test_wrong_drafts_change_nothing():
    plain = repeating_model(29).complete(PROMPT, temperature=0, max_tokens=300, drafts=False)
    model = repeating_model(29)
    drafted = model.complete(PROMPT, temperature=0, max_tokens=300, drafts=True)
    assert facts(drafted) == facts(plain)
    stats = drafted.stats
    assert 20 < stats.n_accepted_tokens < stats.n_drafted_tokens - 20, "some are wrong, and some right"
    model.forget()
    assert model.engine.core.kv.n_blocks == 0


@pytest.mark.parametrize("n", range(1, 40, 3))
def test_max_tokens_ends_within_a_draft(n):
    model = repeating_model(10**9)
    reply = model.complete(PROMPT, temperature=0, max_tokens=n, drafts=True)
    assert (len(reply.tokens), reply.finish_reason) == (n, "length")
    assert max(at + rows for at, rows in model.engine.core.computed) <= len(PROMPT) + n - 1
    assert reply.stats.n_decode_steps + reply.stats.n_accepted_tokens == n - 1


def test_a_full_context_is_not_exceeded():
    model = repeating_model(10**9)
    model.context = 64
    reply = model.complete(PROMPT, temperature=0, drafts=True)
    assert (len(reply.tokens), reply.finish_reason) == (64 - len(PROMPT), "context")
    assert max(at + rows for at, rows in model.engine.core.computed) <= 63


# ---- whatever turns it between two tokens -----------------------------------------------------------------


def kept(model, prompt, tokens):
    """How much of a text the model has kept."""
    found = model.scheduler.tree.longest(np.asarray([*prompt, *tokens, 1], np.int32))
    return found and found[1]


@pytest.mark.parametrize("how", ["close", "cancel", "let go"])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 19])
def test_a_reader_may_leave_between_any_two_tokens(n, how):
    ends = []
    for drafts in (False, True):
        model = repeating_model(10**9)
        replies = []
        stream = model.stream_complete(PROMPT, temperature=0, max_tokens=60, drafts=drafts)
        for number, _ in enumerate(stream, 1):
            if number == n:
                replies.append(stream.reply)
                if how == "cancel":
                    stream.cancel()
                if how == "close":
                    stream.close()
                if how == "let go":
                    break
        if how != "let go":
            replies.append(stream.reply)
        del stream
        tokens = replies[-1].tokens
        ends.append(
            (tokens, replies[-1].finish_reason, kept(model, PROMPT, tokens), model.n_kept_bytes),
        )
        assert model.complete([*PROMPT, *tokens], max_tokens=5, temperature=0).tokens
        model.forget()
        assert model.engine.core.kv.n_blocks == 0
    assert ends[0] == ends[1]


@pytest.mark.parametrize("n_pass", [1, 2, 3, 4])
def test_an_interrupt_of_a_pass_with_a_draft_loses_nothing(n_pass):
    model = repeating_model(10**9)
    whole = model.complete(PROMPT, temperature=0, max_tokens=60, drafts=False)
    model.forget()
    first = len(model.engine.core.passes)

    def before(n):
        if len(model.engine.core.passes) == first + n_pass:
            model.engine.core.before_forward = lambda n: None
            raise KeyboardInterrupt

    model.engine.core.before_forward = before
    with pytest.raises(ossnb.Interrupted) as stopped:
        model.complete(PROMPT, temperature=0, max_tokens=60, drafts=True)
    tokens = stopped.value.reply.tokens
    assert tokens == whole.tokens[: len(tokens)]
    assert kept(model, PROMPT, tokens) == len(PROMPT) + len(tokens) - 1
    again = model.complete([*PROMPT, *tokens], temperature=0, max_tokens=60 - len(tokens), drafts=True)
    assert [*tokens, *again.tokens] == whole.tokens


SCRIPT = "<|channel|>analysis<|message|>" + "hm " * 100 + "<|end|>"


@pytest.mark.parametrize("n", [1, 12, 13, 40])
def test_stop_thinking_acts_after_the_token_that_was_read(n):
    replies = []
    for drafts in (False, True):
        stream = scripted_model(SCRIPT).stream("Hi", seed=1, max_tokens=n + 30, drafts=drafts)
        n_seen = 0
        for event in stream:
            n_seen += event.kind == "reasoning"
            if n_seen == n:
                stream.stop_thinking()
        replies.append(stream.reply)
    assert facts(replies[0]) == facts(replies[1])
    assert f"the thought was ended after {counted(n, 'token')}" in replies[1].notes


def test_logits_may_be_wanted_in_the_middle():
    model = repeating_model(10**9)
    stream = model.stream_complete(PROMPT, temperature=0, max_tokens=60, drafts=True)
    rows = []
    for number, _ in enumerate(stream):
        if number == 9:
            stream.on_logits = lambda row: rows.append(int(row.argmax()))
    tokens = stream.reply.tokens
    assert rows == tokens[-len(rows) :]
    assert len(rows) > 45


def test_what_follows_a_drafted_reply_is_as_after_a_plain_one(demo):
    demo.forget()
    plain = demo.generate(QUESTION, seed=3, drafts=False)
    drafted = demo.generate(QUESTION, seed=3, drafts=True)
    assert drafted.stats.n_accepted_tokens > 10
    assert np.array_equal(plain.inspect().probabilities, drafted.inspect().probabilities)
    assert facts(plain.branch(9, " No")) == facts(drafted.branch(9, " No"))
    assert facts(plain.answer_after(5)) == facts(drafted.answer_after(5))
    chats = []
    for drafts in (False, True):
        chat = demo.chat(seed=1, drafts=drafts)
        chats.append([facts(chat.say(text))[:2] for text in ("What is 2 + 2?", "What is 2 + 3?")])
    assert chats[0] == chats[1]


# ---- several at once ---------------------------------------------------------------------------------------


def test_several_generations_draft_in_one_pass():
    model = repeating_model()

    def wait_for_all(n):
        if n == 0:
            wait_until(lambda: len(model.engine.turns.waiting()) == 6, 60)
        time.sleep(0.003)

    model.engine.core.before_forward = wait_for_all
    prompts = [PROMPT[i:] for i in range(6)]
    found = {}

    def run(i):
        found[i] = model.complete(prompts[i], temperature=0, max_tokens=80, drafts=True)

    threads = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for i, prompt in enumerate(prompts):
        plain = repeating_model().complete(prompt, temperature=0, max_tokens=80, drafts=False)
        assert facts(found[i]) == facts(plain)
    assert max(model.engine.core.passes) >= 4
    assert sum(reply.stats.n_accepted_tokens for reply in found.values()) > 60


def test_samples_and_maps_are_those_without(demo):
    demo.forget()
    plain = demo.samples(FOX, 3, seed=1, max_tokens=40, drafts=False)
    drafted = demo.samples(FOX, 3, seed=1, max_tokens=40, drafts=True)
    assert [facts(reply) for reply in plain] == [facts(reply) for reply in drafted]
    rows = ["What is 2 + 2?", "What is 2 + 3?", "What is 2 + 2?"]
    answers = [demo.map(rows, seed=1, drafts=drafts, progress=False).run() for drafts in (False, True)]
    texts = [[(answer.reply.seed, answer.reply.tokens) for answer in found] for found in answers]
    assert texts[0] == texts[1], "the seeds do not depend on drafts either"


# ---- where drafts come from, and when there are none -------------------------------------------------------


def test_an_earlier_reply_is_a_draft_until_it_is_forgotten():
    model = scripted_model("<|channel|>final<|message|>One two three four five six seven eight nine ten")
    first, second = (model.generate("Count", drafts=True).stats for _ in range(2))
    assert (first.n_accepted_tokens, second.n_decode_steps <= 3) == (0, True)
    model.forget()
    assert model.generate("Count", drafts=True).stats.n_drafted_tokens == 0


def test_earlier_replies_have_a_bound():
    drafts = Drafts()
    for number in range(100):
        drafts.keep([1, 2], [number] * 3000)
    assert [text.tokens[-1] for text in drafts.texts] == list(range(99, 89, -1))
    drafts.keep([1], list(range(100_000)))
    assert len(drafts.texts[0].tokens) <= 32_768 + 8
    for _ in range(100):
        drafts.keep([1], [1, 2, 3])
    assert len(drafts.texts) <= 32


def test_the_longest_match_is_taken_and_then_the_last():
    text = Text([1, 2, 3, 4, 70, 9, 1, 2, 3, 4, 71, 1, 2, 3, 4, 72])
    assert text.tokens[text.longest([9, 1, 2, 3, 4])[1]] == 71
    assert text.tokens[text.longest([0, 1, 2, 3, 4])[1]] == 72
    assert text.longest([2, 3, 4]) == (0, 0)
    assert Text([1, 2, 3, 4]).longest([1, 2, 3, 4]) == (0, 0), "nothing follows it"


def test_a_short_match_is_enough_after_two_good_drafts():
    tokens = [1, 2, 3, 4, 5, 6, 7, 8, 99, 1, 2, 3, 4]
    drafter = Drafter(Drafts(), always=True)
    assert drafter.draft(tokens, 16) == []
    drafter.learn(3, 3)
    assert drafter.draft(tokens, 16) == []
    drafter.learn(2, 2)
    assert drafter.draft(tokens, 16) == [5, 6, 7, 8]
    drafter.learn(4, 3)
    assert drafter.draft(tokens, 16) == []


REPEATED = [*range(100, 140), *range(100, 132)]


def drafter_with(slope, n_tries=0, n_kept=0):
    drafts = Drafts()
    for _ in range(5):
        drafts.costs.measure(1, 1.0)
        for n_rows in (2, 5, 17):
            drafts.costs.measure(n_rows, 1 + slope * (n_rows - 1))
    drafter = Drafter(drafts, always=False)
    for _ in range(n_tries):
        drafter.learn(4, n_kept)
    return drafter


def test_a_draft_is_as_long_as_it_pays():
    lengths = [len(drafter_with(slope).draft(REPEATED, 16)) for slope in (0.01, 0.2, 0.5, 0.85)]
    assert lengths[0] == 16
    assert sorted(lengths, reverse=True) == lengths
    assert lengths[-1] == 0
    by_luck = [len(drafter_with(0.2, 4, kept).draft(REPEATED, 16)) for kept in (0, 2, 4)]
    assert sorted(by_luck) == by_luck
    assert by_luck[0] < by_luck[2]


def test_after_drafts_that_do_not_pay_comes_a_pause():
    drafter = drafter_with(0.9, 8, 0)
    assert drafter.draft(REPEATED, 16) == []
    period = range(100, 108)
    tokens = REPEATED
    while len(tokens) < len(REPEATED) + PAUSE - 1:
        tokens = [*tokens, period[len(tokens) % 8]]
        assert drafter.draft(tokens, 16) == []
    for _ in range(4 * PAUSE):  # what was measured ages
        tokens = [*tokens, period[len(tokens) % 8]]
        if drafter.draft(tokens, 16):
            break
    assert 0 < len(tokens) - len(REPEATED) <= 6 * PAUSE


def test_costs_between_measured_numbers_of_rows():
    costs = RowCosts()
    assert costs.of(1) == 1
    assert costs.of(3) == 2, "nothing is measured yet"
    costs.measure(1, 2.0)
    costs.measure(3, 4.0)  # a half for each further row
    costs.measure(9, 6.0)  # a quarter
    assert (costs.of(2), costs.of(3), costs.of(9), costs.of(17)) == (1.5, 2.0, 3.0, 5.0)
    assert costs.of(6) == pytest.approx(1 + 5 * 0.375)
    costs.measure(9, 1.0)
    assert costs.of(9) >= 1


# ---- what users see ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("drafts", ["yes", 1, 0, []])
def test_what_is_no_choice_is_told(drafts):
    with pytest.raises(ValueError, match=r"drafts must be True, False or None \(where they pay\), got"):
        ossnb.Sampling(drafts=drafts)


def test_the_setting_is_kept_where_it_was_given():
    assert "drafts" not in ossnb.Sampling().to_dict()
    for drafts in (True, False):
        assert ossnb.Sampling.from_dict(ossnb.Sampling(drafts=drafts).to_dict()).drafts is drafts


def test_a_cell_has_flags_for_it():
    assert parse_cell_line("--drafts").settings == {"drafts": True}
    assert parse_cell_line("--no-drafts").settings == {"drafts": False}
    assert parse_cell_line("--seed 7").settings == {"seed": 7}
    with pytest.raises(ValueError, match="--drafts and --no-drafts exclude each other"):
        parse_cell_line("--no-drafts --drafts")


def test_the_line_of_figures_and_the_table_count_drafts():
    model = repeating_model(10**9)
    reply = model.complete(PROMPT, temperature=0, max_tokens=40, drafts=True)
    stats = reply.stats
    told = f" · {stats.n_accepted_tokens} of {stats.n_drafted_tokens} drafted tokens kept · "
    assert told in stats_line(reply)
    plain = model.complete(PROMPT, temperature=0, max_tokens=4, drafts=False)
    assert "drafted" not in stats_line(plain)
    table = ossnb.to_frame([reply, plain], library="pandas")
    assert table["n_drafted_tokens"].tolist() == [stats.n_drafted_tokens, 0]
    assert table["n_accepted_tokens"].tolist() == [stats.n_accepted_tokens, 0]


def test_peers_names_lead_to_it():
    with pytest.raises(TypeError, match="here it is drafts"):
        scripted_model("Hi").generate("Hi", prompt_lookup_num_tokens=3)
    assert Tokenizer().encode("Hi")
