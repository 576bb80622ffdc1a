"""`%%oss` and `%oss` in a real InteractiveShell, with a model that writes what the test tells it to."""

import json
import signal

import pytest
from IPython.core.completer import CompletionContext, provisionalcompleter

import ossnb
from fakes import scripted_model
from ossnb import loader
from ossnb.notebook import stopping
from ossnb.notebook.complete import candidates
from ossnb.notebook.display import TerminalView
from ossnb.notebook.interpolate import interpolate
from ossnb.notebook.options import FLAGS, SUBCOMMANDS, parse_cell_line
from ossnb.page.defaults import cell_defaults, set_cell_defaults
from shells import SCRIPT, fails, ipython, run, shell, texts

FIXTURES = ipython, shell


# ---- asking ------------------------------------------------------------------------------------------------


def test_answer_is_printed_once_and_kept(shell, capsys):
    result, out, _ = run(shell, "%%oss --seed 5\nWhat is 17 + 25?", capsys)
    assert result.success
    assert result.result is None
    assert out.count("It is **42**.") == 1
    assert out.startswith("17 + 25\n\nIt is **42**.\n")
    assert "seed 5" in out
    reply = shell.user_ns["_oss"]
    assert str(reply) == "It is **42**."
    assert shell.user_ns["_"] is reply
    assert shell.user_ns["Out"][shell.execution_count - 1] is reply
    assert shell.asked == [("What is 17 + 25?", {"seed": 5})]


@pytest.mark.parametrize(
    "line", ["answer <<", "answer<< --effort low", "--out answer", "--effort low --out=answer"]
)
def test_reply_gets_a_name(shell, capsys, line):
    result, _, _ = run(shell, f"%%oss {line}\nHi", capsys)
    assert result.success
    assert shell.user_ns["answer"] is shell.user_ns["_oss"]


def test_flags_become_settings(shell, capsys):
    line = (
        '--effort high --instructions "Be brief, don\'t ramble." --temperature 0 --top-p 0.9 --top-k 40 '
        r'--min-p 0.05 --max-tokens 9 --seed 3 --stop END --stop "\n\n"'
    )
    result, _, _ = run(shell, f"%%oss {line}\nHi", capsys)
    assert result.success
    assert shell.asked[0][1] == {
        "effort": "high",
        "instructions": "Be brief, don't ramble.",
        "temperature": 0.0,
        "top_p": 0.9,
        "top_k": 40,
        "min_p": 0.05,
        "max_tokens": 9,
        "seed": 3,
        "stop": ("END", "\n\n"),
    }


def test_defaults_are_the_models(shell, capsys):
    run(shell, "%%oss\nHi\nthere\n\n", capsys)
    assert shell.asked == [("Hi\nthere", {})]


def test_model_is_loaded_once_for_its_cells(shell, capsys, monkeypatch):
    loaded = []

    def load(source):
        loaded.append(source)
        return scripted_model("<|channel|>final<|message|>other")

    monkeypatch.setattr(loader, "load", load)
    for _ in range(2):
        _, out, _ = run(shell, "%%oss --model 20b\nHi", capsys)
        assert out.startswith("other")
    assert loaded == ["20b"]
    assert not shell.asked


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "--temprature 1",
            "unknown flag --temprature; did you mean --temperature? The flags are: --model, --effort",
        ),
        ("--temp 1", "unknown flag --temp; did you mean --temperature?"),
        ("--EFFORT low", "unknown flag --EFFORT; did you mean --effort?"),
        ("--xyz", "unknown flag --xyz. The flags are: --model"),
        ("--system x", "unknown flag --system: here it is --instructions"),
        ("--max-new-tokens=9", "unknown flag --max-new-tokens: here it is --max-tokens"),
        ("--temperature -1", "temperature must be >= 0, got -1"),
        ("--temperature warm", "--temperature: needs a number, got 'warm'"),
        ("--top-p 2", "top_p must be in (0, 1]"),
        ("--seed 1.5", "--seed: needs a whole number, got '1.5'"),
        ("--seed", "--seed needs a value, as in --seed 1"),
        ("--out", "--out needs a value, as in --out answer"),
        ("--chat", "--chat needs a value, as in --chat tutor"),
        ("--effort extreme", "--effort is one of low, medium, high, got 'extreme'"),
        ("--effort HIGH", "got 'HIGH'; did you mean high?"),
        ("--max-tokens 0", "max_tokens must be >= 1, got 0"),
        ("--out 1st", "'1st' cannot name a variable"),
        ("--out class", "'class' cannot name a variable"),
        ("my-name <<", "'my-name' cannot name a variable"),
        ("a << --out b", "the reply has two names"),
        ("--raw --effort low", "--raw continues plain text, which has no --effort"),
        ("--raw --chat a", "--raw continues plain text, which has no --chat"),
        ("What is 2 + 2?", "unexpected 'What': the prompt goes on the lines below"),
        ("--instructions don't", "No closing quotation"),
    ],
)
def test_wrong_flags_are_refused(shell, capsys, line, said):
    assert said in fails(shell, f"%%oss {line}\nHi", capsys)


@pytest.mark.parametrize("source", ["%%oss", "%%oss --seed 1", "%%oss\n\n  \n"])
def test_nothing_to_answer(shell, capsys, source):
    assert "write the prompt below" in fails(shell, source, capsys)


@pytest.mark.parametrize(
    "source", ["%%oss --help", "%%oss -h\n", "%%oss --help\nHi", "\n%%oss --seed x --help\n\n"]
)
def test_help_comes_before_everything(shell, capsys, source):
    result, out, _ = run(shell, source, capsys)
    assert result.success
    assert out.startswith("%%oss [NAME <<] [flags]")
    assert all(flag.name in out and flag.meaning.split()[0] in out for flag in FLAGS)
    assert not shell.asked


def test_help_in_quotes_is_text(shell, capsys):
    run(shell, '%%oss --instructions "say what -h does"\nHi', capsys)
    assert shell.asked == [("Hi", {"instructions": "say what -h does"})]


def test_terminal_waits_for_the_body(shell):
    complete = shell.input_transformer_manager.check_complete
    assert complete("%%oss --seed 1")[0] == "incomplete"
    assert complete("%%oss --seed 1\nHi\n\n")[0] == "complete"


def test_question_mark_shows_the_documentation(shell, capsys):
    _, out, err = run(shell, "%%oss?", capsys)
    assert "--temperature" in out + err
    assert "%oss load" in out + err


def test_errors_are_exceptions(shell, capsys):
    result, _, _ = run(shell, "%%oss --model /no/such/folder\nHi", capsys)
    assert isinstance(result.error_in_exec, ossnb.CheckpointError)
    model = scripted_model("Hi", context=30)
    ossnb.set_default_model(model)
    result, _, _ = run(shell, "%%oss\n" + "long " * 100, capsys)
    assert isinstance(result.error_in_exec, ossnb.ContextFull)


def test_busy_is_told_in_one_line(shell, capsys):
    def fail(n_calls):
        raise ossnb.Busy("the model is busy in the thread x")

    model = scripted_model(SCRIPT)
    model.engine.core.before_forward = fail
    ossnb.set_default_model(model)
    result, out, err = run(shell, "%%oss --chat a\nHi", capsys)
    assert isinstance(result.error_in_exec, ossnb.Busy)
    assert "Busy: the model is busy in the thread x" in out + err
    assert "Traceback" not in out + err
    model.engine.core.before_forward = lambda n_calls: None
    result, _, _ = run(shell, '%%oss --chat a --instructions "Be brief."\nHi', capsys)
    assert result.success, "a chat without a turn is not begun yet"


@pytest.mark.parametrize(
    ("cell", "kind", "said"),
    [
        ("%oss load dmeo", ossnb.CheckpointError, "CheckpointError: 'dmeo': no such folder"),
        ("%%oss --model gpt2\nHi", ossnb.CheckpointError, "CheckpointError: 'gpt2': no such folder"),
        ("%oss keep /nonexistent/x", OSError, "FileNotFoundError: "),
        ("%oss load demo --device cuda:99", ossnb.DeviceError, "DeviceError: "),
    ],
)
def test_what_no_code_can_mend_is_told_in_one_line(shell, capsys, cell, kind, said):
    result, out, err = run(shell, cell, capsys)
    assert isinstance(result.error_in_exec, kind)
    assert said in out + err
    assert "Traceback" not in out + err
    assert len((out + err).splitlines()) == 1


def test_a_closed_model_is_told_in_one_line(shell, capsys):
    shell.use(SCRIPT).close()
    result, out, err = run(shell, "%%oss\nHi", capsys)
    assert isinstance(result.error_in_exec, RuntimeError)
    assert (out + err).strip() == "RuntimeError: the model 'fake' was closed; load it again"


def test_a_full_context_names_the_flags_of_cells(shell, capsys):
    ossnb.set_default_model(scripted_model(SCRIPT * 2, context=120))
    long = "long " * 150
    _, out, err = run(shell, f"%%oss\n{long}", capsys)
    assert "Traceback" not in out + err
    assert "turns" not in out + err, "a single question has none"
    assert "or load with more context by `%oss load MODEL --context N` (<= " in out + err
    assert run(shell, "%%oss --chat a\nHi", capsys)[0].success
    _, out, err = run(shell, f"%%oss --chat a\n{long}", capsys)
    assert "leave out its oldest turns with --drop-oldest" in out + err
    _, out, err = run(shell, f"%%oss --chat a --drop-oldest\n{long}", capsys)
    assert "drop" not in out + err, "that was tried"


@pytest.mark.parametrize(
    "cell",
    [
        "%oss\nWhat is 2 + 2?",
        "# mine\n%oss\nWhat is 2 + 2?",
        "%oss --temperature 0\nWhat is 2 + 2?",
        "%oss answer << --seed 1\nWhat is 2 + 2?",
        "%oss What is 2 + 2?",
        "n = 1\n%oss What is 2 + 2?",
    ],
)
def test_a_question_below_one_percent_sign_is_told_where_it_goes(shell, capsys, cell):
    assert "A question goes into a cell that begins with %%oss" in fails(shell, cell, capsys)


def test_code_below_a_command_runs(shell, capsys):
    assert run(shell, "%oss\nn = 41\nn += 1", capsys)[0].success
    assert run(shell, "%oss status\nn += 1", capsys)[0].success
    assert shell.user_ns["n"] == 43


def test_settings_of_later_cells_are_told_and_ended(shell, capsys):
    set_cell_defaults({"temperature": 0.4, "effort": "low"})
    assert run(shell, "%oss defaults", capsys)[1] == "temperature=0.4, effort=low\n"
    assert "defaults    temperature=0.4, effort=low\n" in run(shell, "%oss status", capsys)[1]
    assert run(shell, "%oss defaults reset", capsys)[1] == "cells that do not say take the usual settings\n"
    assert cell_defaults() == {}
    assert "defaults" not in run(shell, "%oss status", capsys)[1]
    fails(shell, "%oss defaults now", capsys)


def test_engine_error_keeps_what_was_written(shell, capsys):
    def fail(n_calls):
        if n_calls == 15:
            raise MemoryError("no room for the next block")

    model = scripted_model(SCRIPT)
    model.engine.core.before_forward = fail
    ossnb.set_default_model(model)
    result, out, err = run(shell, "%%oss kept <<\nHi", capsys)
    assert isinstance(result.error_in_exec, MemoryError)
    assert "MemoryError: no room for the next block" in out + err
    assert "Traceback" not in out + err
    assert "It is" in out
    assert shell.user_ns["kept"].text.startswith("It is")
    assert shell.user_ns["kept"].finish_reason == "error"


# ---- values of the notebook --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{{n + 1}} apples", "43 apples"),
        ("{{ name.upper() }}", "ADA"),
        ("{{d['a']}} {{ {'x': {'y': n}}['x']['y'] }}", "1 42"),
        ("{n} $n {{{{n}}}} {{{{ }}", "{n} $n {{n}}}} {{ }}"),
        (r"\frac{{{n}}}{2} {{{{{n}", r"\frac{42}{2} {{{n}"),
        ('{"a": {"b": {}}}', '{"a": {"b": {}}}'),
        ("unclosed {{n and\n}} later", "unclosed {{n and\n}} later"),
        ("{{braces}}", "{{n}}"),
        ("a {{n}}{{n}} b", "a 4242 b"),
    ],
)
def test_interpolation(text, filled):
    values = {"n": 42, "name": "Ada", "d": {"a": 1}, "braces": "{{n}}"}
    assert interpolate(text, lambda expression: eval(expression, values)) == filled


def test_values_are_inserted(shell, capsys):
    shell.run_cell("n = 42\nrules = \"Don't say 'no'\"")
    run(shell, '%%oss --instructions "{{rules}}" --seed {{n}}\n{{n}} {n} $n ${n} {"a": 1} {{{{n}}', capsys)
    assert shell.asked == [('42 {n} $n ${n} {"a": 1} {{n}}', {"instructions": "Don't say 'no'", "seed": 42})]


def test_an_expression_in_a_flag_is_one_word(shell, capsys):
    shell.run_cell("n = 41\nd = {'seed of all': 6}")
    run(shell, "%%oss --seed {{n + 1}} --top-k={{d['seed of all']}}\nHi", capsys)
    assert shell.asked == [("Hi", {"seed": 42, "top_k": 6})]


def test_raw_takes_the_prompt_as_it_stands(shell, capsys):
    model = ossnb.default_model()
    run(shell, "%%oss --raw --max-tokens 2\n{{undefined}} {{{{", capsys)
    assert not shell.asked, "no chat format"
    reply = shell.user_ns["_oss"]
    assert reply.effort is None
    assert list(reply.prompt_tokens) == model.tokenizer.encode("{{undefined}} {{{{")


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("undefined_name", "{{undefined_name}}: NameError: name 'undefined_name' is not defined"),
        ("1 / 0", "{{1 / 0}}: ZeroDivisionError: division by zero"),
        ("a b", "{{a b}}: not a Python expression"),
        ("  ", "not a Python expression"),
    ],
)
def test_failing_expression_is_named(shell, capsys, expression, said):
    assert said in fails(shell, f"%%oss\nIs {{{{{expression}}}}} right?", capsys)


# ---- conversations -----------------------------------------------------------------------------------------


def test_chat_goes_on_until_it_is_reset(shell, capsys):
    run(shell, "%%oss --chat a\nfirst", capsys)
    run(shell, "%%oss --chat b\nother", capsys)
    run(shell, "%%oss --chat a --seed 1\nsecond", capsys)
    answer = "It is **42**."
    assert [texts(prompt) for prompt, _ in shell.asked] == [["first"], ["other"], ["first", answer, "second"]]
    _, out, _ = run(shell, "%oss reset a", capsys)
    assert out == "forgot a\n"
    run(shell, "%%oss --chat a\nagain", capsys)
    assert texts(shell.asked[-1][0]) == ["again"]
    _, out, _ = run(shell, "%oss reset", capsys)
    assert out == "forgot b, a\n"


def test_chat_keeps_its_instructions_and_model(shell, capsys):
    run(shell, '%%oss --chat a --instructions "Be brief"\nfirst', capsys)
    run(shell, '%%oss --chat a --instructions "Be brief"\nsecond', capsys)
    assert [settings["instructions"] for _, settings in shell.asked] == ["Be brief"] * 2
    assert "other instructions; `%oss reset a`" in fails(
        shell, '%%oss --chat a --instructions "Rhyme"\nHi', capsys
    )


def test_load_ext_and_import_register_once(shell, capsys):
    run(shell, "%%oss --chat a\nfirst", capsys)
    shell.run_cell("%load_ext ossnb\nimport ossnb")
    ossnb.load_ipython_extension(shell)
    run(shell, "%%oss --chat a\nsecond", capsys)
    assert len(texts(shell.asked[-1][0])) == 3


# ---- stopping ----------------------------------------------------------------------------------------------


def interrupt_at(n_forward_calls):
    def before_forward(n_calls):
        if n_calls == n_forward_calls:
            raise KeyboardInterrupt

    return before_forward


@pytest.mark.parametrize(("n_calls", "text"), [(0, ""), (5, ""), (15, "It is")])
def test_interrupt_keeps_the_partial_answer(shell, capsys, n_calls, text):
    model = scripted_model(SCRIPT)
    model.engine.core.before_forward = interrupt_at(n_calls)
    ossnb.set_default_model(model)
    result, out, err = run(shell, "%%oss kept <<\nHi", capsys)
    assert isinstance(result.error_in_exec, KeyboardInterrupt), "queued cells must not run"
    assert "Traceback" not in out + err
    assert "stopped · " in out
    for name in ("kept", "_oss", "_"):
        assert shell.user_ns[name].finish_reason == "interrupted"
        assert shell.user_ns[name].text.startswith(text)
    model.engine.core.before_forward = interrupt_at(-1)
    result, out, _ = run(shell, "%%oss\nHi", capsys)
    assert result.success, "the model is usable afterwards"
    assert "It is **42**." in out


def test_interrupt_between_two_tokens(shell, capsys, monkeypatch):
    def interrupted(self, event):
        if event.kind == "answer":
            raise KeyboardInterrupt

    monkeypatch.setattr(TerminalView, "on", interrupted)
    result, out, _ = run(shell, "%%oss\nHi", capsys)
    assert isinstance(result.error_in_exec, stopping.Stopped)
    assert result.error_in_exec.reply is shell.user_ns["_oss"]
    assert shell.user_ns["_oss"].finish_reason == "interrupted"
    assert shell.user_ns["_oss"].text in out


def press_stop_while_the_reply_is_kept(shell, monkeypatch):
    keep = shell.displayhook.update_user_ns
    monkeypatch.setattr(
        shell.displayhook,
        "update_user_ns",
        lambda reply: (signal.raise_signal(signal.SIGINT), keep(reply)),
    )


def test_impatient_stopping_loses_nothing(shell, capsys, monkeypatch):
    """Stop is pressed again while the answer of the first press is being saved."""
    model = scripted_model(SCRIPT)
    model.engine.core.before_forward = interrupt_at(15)
    ossnb.set_default_model(model)
    press_stop_while_the_reply_is_kept(shell, monkeypatch)
    handler = signal.getsignal(signal.SIGINT)
    result, out, _ = run(shell, "%%oss kept <<\nHi", capsys)
    assert isinstance(result.error_in_exec, stopping.Stopped)
    assert "It is\nstopped" in out
    assert shell.user_ns["kept"].text == "It is"
    assert signal.getsignal(signal.SIGINT) is handler


def test_stop_at_the_last_moment_still_stops_queued_cells(shell, capsys, monkeypatch):
    press_stop_while_the_reply_is_kept(shell, monkeypatch)
    result, out, _ = run(shell, "%%oss\nHi", capsys)
    assert isinstance(result.error_in_exec, stopping.Stopped)
    assert "It is **42**." in out
    assert shell.user_ns["_oss"].finish_reason == "stop"


# ---- a notebook --------------------------------------------------------------------------------------------


def test_notebook_cell_gets_markdown_and_metadata(shell, capsys, monkeypatch):
    monkeypatch.setattr(shell, "kernel", object(), raising=False)
    published = []
    monkeypatch.setattr(
        shell.display_pub, "publish", lambda *args, **kwargs: published.append((args, kwargs))
    )
    result, out, _ = run(shell, "%%oss --seed 5 --effort low --temperature 0.5\nHi", capsys)
    assert result.success
    assert out == ""
    last = {kwargs["transient"]["display_id"]: (args, kwargs) for args, kwargs in published}
    bundles = [kwargs.get("data") or args[0] for args, kwargs in last.values()]
    assert [sorted(bundle) for bundle in bundles] == [
        ["text/html", "text/plain"],
        ["text/markdown", "text/plain"],
        ["text/html", "text/plain"],
    ]
    assert bundles[1]["text/plain"] == "It is **42**."
    args, kwargs = list(last.values())[1]
    metadata = (kwargs.get("metadata") or args[1])["ossnb"]
    assert json.loads(json.dumps(metadata)) == metadata
    assert {
        key: metadata[key] for key in ("model", "revision", "seed", "effort", "finish_reason", "sampling")
    } == {
        "model": "fake",
        "revision": "r1",
        "seed": 5,
        "effort": "low",
        "finish_reason": "stop",
        "sampling": {"temperature": 0.5, "top_p": 1.0, "top_k": 0, "min_p": 0.0},
    }
    assert metadata["prompt_sha256"] == shell.user_ns["_oss"].prompt_sha256


# ---- %oss --------------------------------------------------------------------------------------------------


def test_load_makes_the_default_model(shell, capsys, monkeypatch):
    calls = []
    model = scripted_model("Hi")
    monkeypatch.setattr(loader, "load", lambda source, **settings: calls.append((source, settings)) or model)
    result, out, _ = run(
        shell, "%oss load demo --threads 2 --context=4096 --device cpu --device-memory 8GB", capsys
    )
    assert result.success
    settings = {"threads": 2, "context": 4096, "device": "cpu", "device_memory": "8GB"}
    assert calls == [("demo", settings)]
    assert ossnb.default_model() is model
    assert "Model('fake'" in out


def test_status_describes_model_and_chats(shell, capsys):
    run(shell, "%%oss --chat tutor\nHi", capsys)
    _, out, _ = run(shell, "%oss status", capsys)
    facts = (
        "fake at revision r1",
        "2 layers",
        "exact",
        "1 thread, reference kernels",
        "4,096",
        "tutor: 3 messages",
        f"{ossnb.default_model().n_kept_bytes / 1000:.1f} kB of keys and values",
        "GB free of",
    )
    for fact in facts:
        assert fact in out


@pytest.mark.parametrize("line", ["", " help", " --help"])
def test_line_help(shell, capsys, line):
    _, out, _ = run(shell, f"%oss{line}", capsys)
    assert all(word in out for word in ("%oss load", "%oss status", "%oss reset", "%%oss --help"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("lod demo", "unknown command %oss lod; did you mean load? The commands are: again, code"),
        ("load", "takes one source"),
        ("load a b", "takes one source"),
        ("load demo --thread 2", "unknown flag --thread; did you mean --threads?"),
        ("load demo --threads two", "--threads must be a whole number, got 'two'"),
        ("load demo --threads", "--threads needs a value, as in --threads 4"),
        ("load 'demo", 'No closing quotation in "\'demo": put text with spaces or apostrophes in'),
        ("status now", "%oss status shows how things are and takes no words, got now"),
        ("effort HIGH", "got 'HIGH'; did you mean high?"),
        ("keep", "as in `%oss keep notes.kept`"),
        ("reset nobody", "there is no chat 'nobody'"),
    ],
)
def test_wrong_commands_are_refused(shell, capsys, line, said):
    assert said in fails(shell, f"%oss {line}", capsys)


# ---- completion --------------------------------------------------------------------------------------------


def complete(shell, text, line=0):
    lines = text.split("\n")
    cursor = len(lines[line])
    matcher = shell.Completer.custom_matchers[-1]
    token = lines[line].split(" ")[-1]
    context = CompletionContext(
        token=token, full_text=text, cursor_position=cursor, cursor_line=line, limit=None
    )
    return [completion.text for completion in matcher(context)["completions"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%%oss --te", ["--temperature"]),
        ("%%oss answer << --to", ["--top-p", "--top-k", "--tool"]),
        ("%%oss --effort ", ["low", "medium", "high"]),
        ("%%oss --effort=h", ["high"]),
        ("%%oss --model ", ["demo", "20b", "120b"]),
        ("%%oss --raw --s", ["--seed", "--stop", "--schema"]),
        ("%oss ", list(SUBCOMMANDS)),
        ("%oss load demo --th", ["--threads"]),
        ("%oss load demo --dev", ["--device", "--device-memory"]),
        ("%oss load demo --device c", ["cpu", "cuda"]),
        ("%%osso --te", []),
        ("x = 1 # %%oss --te", []),
    ],
)
def test_completion(shell, text, expected):
    assert complete(shell, text) == expected


def test_completion_knows_what_can_be_loaded(shell):
    assert complete(shell, "%oss load ")[:3] == ["demo", "20b", "120b"]


def test_completion_knows_the_chats_and_stays_out_of_prompts(shell, capsys):
    run(shell, "%%oss --chat tutor\nHi", capsys)
    assert complete(shell, "%%oss --chat ") == ["tutor"]
    assert complete(shell, "%oss reset t") == ["tutor"]
    assert complete(shell, "%%oss\n%%oss --te", line=1) == []
    assert candidates("print(1)", lambda flag: ()) is None


def test_completion_through_the_shell(shell):
    with provisionalcompleter():
        found = list(shell.Completer.completions("%%oss --te", 10))
    assert [completion.text for completion in found] == ["--temperature"]


def test_parse_leaves_no_setting_out():
    settings = parse_cell_line("--temperature 0 --top-k 0 --min-p 0 --seed 0").settings
    assert settings == {"temperature": 0.0, "top_k": 0, "min_p": 0.0, "seed": 0}
