"""`%oss verify` and `ossnb verify NOTEBOOK`: saved answers come again, or the reason is told."""

from __future__ import annotations

import hashlib
import json
import sys
import threading

import pytest

import ossnb
from fakes import model_of_rounds, scripted_model
from ossnb.command.cli import main
from ossnb.saved.notebook import SavedAnswer, answers, read_json
from ossnb.saved.record import Record, packed, record_of, unpacked
from ossnb.saved.verify import Verdict, verify
from shells import NotebookPage, ipython, run, shell
from test_rounds import ANSWER, CALL, THINK

FIXTURES = ipython, shell


@pytest.fixture
def page(shell, monkeypatch):
    """A notebook in a front end that names its cells, with the embedded model."""
    ossnb.set_default_model(ossnb.load("demo"))
    return NotebookPage(shell, monkeypatch)


def verified(shell, path, capsys, more=""):
    """Run %oss verify; return the lines that it says."""
    result, out, err = run(shell, f"%oss verify {path} {more}", capsys)
    assert result.success, err
    return out.strip().splitlines()


def changed(path, change):
    """Change the metadata of the last answer in a saved notebook, and perhaps its cell."""
    notebook = json.loads(path.read_text())
    cell = notebook["cells"][-1]
    output = next(o for o in cell["outputs"] if o["metadata"].get("ossnb", {}).get("written"))
    change(output["metadata"]["ossnb"], output, cell)
    path.write_text(json.dumps(notebook))
    return path


# ---- from a kernel -----------------------------------------------------------------------------------------


def test_answers_of_all_kinds_come_again(page, shell, capsys, tmp_path):
    assert page.run("a", "%%oss --seed 7\nWhat is 2 + 2?").success
    assert page.run("b", "x = 3").success
    assert page.run("c", "%%oss --chat t --temperature 0.8\nWhat is {{x + 1}} + 2?").success
    assert page.run("d", "%%oss --chat t\nAnd 17 + 25?").success
    assert page.run("e", "%%oss --raw --max-tokens 5 --seed 3\nRoses are red").success
    assert page.run("f", "%%oss --schema words\nIs 7 odd?\n").success is False
    assert page.run("g", 'words = ["yes", "no"]').success
    assert page.run("h", "%%oss --schema words --seed 5\nIs 7 odd?").success
    assert page.run("i", "%%oss --max-tokens 4\nTell me a joke").success
    path = page.save(tmp_path / "n.ipynb")
    before = path.read_bytes()
    shell.asked.clear()
    lines = verified(shell, path, capsys)
    assert lines[0] == "n.ipynb, as it was saved: 7 to verify"
    for line, cell in zip(lines[1:4], (1, 3, 4), strict=True):
        assert line.startswith(f"identical   cell {cell}: ")
    assert lines[4].startswith("identical   cell 5: 5 tokens")
    assert lines[5].startswith("--          cell 6: it has no record of an answer")
    assert lines[6].startswith("identical   cell 8: ")
    assert lines[7] == "identical   cell 9: 4 tokens"
    assert lines[8] == "7 answers: 6 identical, 0 diverged, 1 not verified"
    assert path.read_bytes() == before, "the file is only read"


def test_a_changed_record_diverges_at_its_token(page, shell, capsys, tmp_path):
    assert page.run("a", "%%oss --seed 7\nWhat is 2 + 2?").success

    def change(record, output, cell):
        tokens = unpacked(record["written"], "written")
        tokens[5] += 1
        record["written"] = packed(tokens)

    path = changed(page.save(tmp_path / "n.ipynb"), change)
    lines = verified(shell, path, capsys)
    assert lines[1].startswith("DIVERGED    cell 1: at token 5: it wrote ")
    assert "the record was changed, or this machine computes wrongly" in lines[1]
    assert lines[-1] == "1 answer: 0 identical, 1 diverged, 0 not verified"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"seed": 8}, "the record was changed"),
        ({"seed": 8, "precision": "fast"}, "the precision is exact, in the record fast"),
        ({"seed": 8, "model": "20b"}, "the model is demo, in the record 20b"),
        ({"seed": 8, "fingerprint": "0"}, "the weights are others"),
        ({"seed": 8, "ossnb": "0.0.9"}, "the version of ossnb is "),
        ({"seed": 8, "device": "cuda:1"}, "which was written on cuda:1 and checked on cpu"),
    ],
    ids=str,
)
def test_a_divergence_tells_what_is_otherwise(page, shell, capsys, tmp_path, change, why):
    assert page.run("a", "%%oss --seed 7 --temperature 1.5\nTell me a story about a fox named Mia.").success
    path = changed(page.save(tmp_path / "n.ipynb"), lambda record, output, cell: record.update(change))
    lines = verified(shell, path, capsys)
    assert lines[1].startswith("DIVERGED    cell 1")
    assert why in lines[1]


def test_an_identical_answer_of_another_device_needs_no_word(page, shell, capsys, tmp_path):
    assert page.run("a", "%%oss --seed 7\nWhat is 2 + 2?").success
    path = changed(page.save(tmp_path / "n.ipynb"), lambda record, *_: record.update(device="cuda:1"))
    lines = verified(shell, path, capsys)
    assert lines[1].startswith("identical   cell 1")
    assert len(lines) == 3


def test_an_identical_answer_of_another_version_says_so(page, shell, capsys, tmp_path):
    assert page.run("a", "%%oss --seed 7\nWhat is 2 + 2?").success
    path = changed(page.save(tmp_path / "n.ipynb"), lambda record, *_: record.update(ossnb="0.0.9"))
    lines = verified(shell, path, capsys)
    assert lines[1].startswith("identical")
    assert "the same in spite of another setting: the version of ossnb" in lines[2]


def test_an_edited_cell_and_an_edited_answer_are_told(page, shell, capsys, tmp_path):
    assert page.run("a", "%%oss --seed 7\nWhat is 2 + 2?").success

    def edit(record, output, cell):
        cell["source"] = "%%oss --seed 7\nWhat is 3 + 3?"
        output["data"]["text/plain"] = output["data"]["text/markdown"] = "It is 5."

    path = changed(page.save(tmp_path / "n.ipynb"), edit)
    lines = verified(shell, path, capsys)
    assert lines[1].startswith("identical")
    assert "the cell was edited after its answer" in lines[2]
    assert "the answer that the notebook shows was edited" in lines[3]


def test_only_the_markdown_was_edited(page, shell, capsys, tmp_path):
    assert page.run("a", "%%oss --seed 7\nWhat is 2 + 2?").success
    path = changed(
        page.save(tmp_path / "n.ipynb"),
        lambda record, output, cell: output["data"].update({"text/markdown": "5"}),
    )
    assert "the answer that the notebook shows was edited" in verified(shell, path, capsys)[2]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"written": "!"}, "written is damaged: it holds no token ids"),
        ({"asked": packed([])}, "asked and written must hold tokens"),
        ({"written": packed([10**9])}, "--"),
        ({"seed": "x"}, "seed must be an integer"),
        ({"version": 9}, "was written by a newer ossnb"),
        ({"steps": 3}, "steps must be a list"),
        ({"effort": "max"}, "effort must be one of"),
        ({"form": {"kind": "json", "content": []}}, "content of a json must be a dict"),
        ({"sampling": None}, "sampling must be an object"),
    ],
    ids=str,
)
def test_damaged_metadata_end_in_a_sentence(page, shell, capsys, tmp_path, change, why):
    assert page.run("a", "%%oss --seed 7\nWhat is 2 + 2?").success
    path = changed(page.save(tmp_path / "n.ipynb"), lambda record, *_: record.update(change))
    lines = verified(shell, path, capsys)
    assert len(lines) == 3
    assert lines[1].startswith(("--          cell 1: ", "DIVERGED"))
    assert why in lines[1] or lines[1].startswith("DIVERGED")


def test_an_answer_whose_library_is_missing_is_not_verified_and_the_others_are(
    page, shell, capsys, tmp_path, monkeypatch
):
    assert page.run("a", 'words = ["yes", "no"]').success
    assert page.run("b", "%%oss --seed 7\nWhat is 2 + 2?").success
    assert page.run("c", "%%oss --schema words --seed 5\nIs 7 odd?").success

    def another_form(record, *_):  # that nothing in this process has read before
        record["form"]["content"] = ["aye", "no", "never seen before"]

    path = changed(page.save(tmp_path / "n.ipynb"), another_form)
    notebook = json.loads(path.read_text())
    notebook["cells"] = [notebook["cells"][n] for n in (2, 1)]
    path.write_text(json.dumps(notebook))
    monkeypatch.setitem(sys.modules, "llguidance", None)
    lines = verified(shell, path, capsys)
    assert lines[1].startswith("--          cell 1: ")
    assert 'pip install "ossnb[schema]"' in lines[1]
    assert lines[2].startswith("identical   cell 2: ")
    assert lines[3] == "2 answers: 1 identical, 0 diverged, 1 not verified"


def test_an_answer_of_an_older_ossnb_says_what_to_do(page, shell, capsys, tmp_path):
    assert page.run("a", "%%oss\nWhat is 2 + 2?").success

    def older(record, *_):
        del record["written"], record["asked"], record["fingerprint"]

    path = changed(page.save(tmp_path / "n.ipynb"), older)
    assert "without its tokens; run the cell again" in verified(shell, path, capsys)[1]


def test_wrong_words_and_files_are_refused_in_a_line(page, shell, capsys, tmp_path):
    for words, why in (
        (str(tmp_path / "gone.ipynb"), "there is no notebook"),
        ("--fast", "unknown flag --fast"),
        ("a.ipynb b.ipynb", "takes one notebook, got 2"),
    ):
        result, out, err = run(shell, f"%oss verify {words}", capsys)
        assert not result.success
        assert why in out + err
    empty = tmp_path / "empty.ipynb"
    empty.write_text('{"cells": [{"cell_type": "code", "source": "1", "outputs": [3, {}]}, 5]}')
    assert verified(shell, empty, capsys) == ["empty.ipynb has no answers of ossnb in it"]


# ---- tools -------------------------------------------------------------------------------------------------

WEATHER = "ran = []\ndef weather(city: str):\n    'Tell.'\n    ran.append(city)\n    return f'sun in {city}'"


@pytest.fixture
def tools(shell, monkeypatch, capsys, tmp_path):
    ossnb.set_default_model(model_of_rounds(THINK + CALL, THINK + ANSWER))
    page = NotebookPage(shell, monkeypatch)
    assert page.run("a", WEATHER).success
    assert page.run("b", "%%oss --tool weather\nHow is Paris?").success
    return page.save(tmp_path / "n.ipynb")


def test_results_of_tools_are_those_of_the_record(tools, shell, capsys):
    shell.user_ns["ran"].clear()
    lines = verified(shell, tools, capsys)
    assert lines[1].startswith("identical   cell 2: "), lines
    assert shell.user_ns["ran"] == [], "nothing of the notebook is run"


def test_live_tools_run_and_are_compared(tools, shell, capsys):
    shell.user_ns["ran"].clear()
    assert verified(shell, tools, capsys, "--live")[1].startswith("identical")
    assert shell.user_ns["ran"] == ["Paris"]
    shell.run_cell("def weather(city: str):\n    'Tell.'\n    return 'rain'")
    lines = verified(shell, tools, capsys, "--live")
    assert "DIVERGED    cell 2: at token " in lines[1]
    assert "the tool weather returns 'rain', in the record 'sun in Paris'" in lines[1]
    shell.run_cell("del weather")
    assert "--tool names functions of the notebook" in verified(shell, tools, capsys, "--live")[1]


def test_a_changed_result_of_a_tool_is_told(tools, shell, capsys):
    path = changed(tools, lambda record, *_: record["steps"][0].update(result="rain"))
    assert "the record of weather's result is not what the model read" in verified(shell, path, capsys)[1]


# ---- documents ---------------------------------------------------------------------------------------------


@pytest.fixture
def asked_of_documents(shell, monkeypatch, tmp_path):
    """A notebook with an answer about two files, one of them in a folder, and a variable."""
    return answer_of_documents(shell, monkeypatch, tmp_path, "Green.")


def answer_of_documents(shell, monkeypatch, tmp_path, answer):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/sky.md").write_text("The sky over Zorn is green.\n")
    (tmp_path / "rules.txt").write_text("Be kind.\n")
    ossnb.set_default_model(scripted_model(f"<|channel|>final<|message|>{answer}"))
    page = NotebookPage(shell, monkeypatch)
    assert page.run("a", "text = 'some words'").success
    assert page.run("b", "%%oss --doc notes,rules.txt,text --seed 1\nWhat color?").success
    return page.save(tmp_path / "n.ipynb")


def test_metadata_have_the_hashes_of_documents(asked_of_documents, tmp_path):
    (metadata,) = [one.metadata for one in answers(read_json(asked_of_documents))]
    sky, rules, text = metadata["documents"]
    assert sky == {
        "name": "notes/sky.md",
        "path": str(tmp_path / "notes/sky.md"),
        "sha256": hashlib.sha256(b"The sky over Zorn is green.\n").hexdigest(),
        "size": 28,
    }
    assert (rules["name"], rules["size"]) == ("rules.txt", 9)
    assert text == {
        "name": "text",
        "path": None,
        "sha256": hashlib.sha256(b"some words").hexdigest(),
        "size": 10,
    }


def test_a_document_that_changed_is_the_reason(asked_of_documents, shell, capsys, tmp_path):
    assert len(verified(shell, asked_of_documents, capsys)) == 3, "no note where all is the same"
    (tmp_path / "notes/sky.md").write_text("The sky over Zorn is blue.\n")
    (tmp_path / "rules.txt").unlink()
    lines = verified(shell, asked_of_documents, capsys)
    assert lines[1].startswith("identical   cell 2: ")
    assert "the document notes/sky.md changed (its sha256 was " in lines[2]
    assert "the document rules.txt cannot be read any more (No such file or directory)" in lines[3]
    lines = verified(shell, asked_of_documents, capsys, "--live")
    assert lines[1].startswith(
        "DIVERGED    cell 2: at token 0: the document notes/sky.md changed (its sha256 was "
    )


CITED = "Green【0†L0】, not blue【7†L1】."  # the second mark is invented


@pytest.mark.parametrize("moved", [False, True])
def test_citations_are_no_edits(shell, monkeypatch, capsys, tmp_path, moved):
    path = answer_of_documents(shell, monkeypatch, tmp_path, CITED)
    markdown = next(one.markdown for one in answers(read_json(path)))
    assert "](./notes/sky.md#L" in markdown
    assert "*(invented: " in markdown
    if moved:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
    assert len(verified(shell, path, capsys)) == 3, "no note"


@pytest.mark.parametrize(
    ("kinds", "before", "after"),
    [
        (("text/markdown",), "Green", "Blue"),
        (("text/markdown",), "notes&#47;sky&#46;md", "rules&#46;txt"),
        (("text/markdown",), "invented", "seen"),
        (("text/plain", "text/markdown"), "Green", "Blue"),
    ],
)
def test_an_edited_answer_with_citations_is_told(shell, monkeypatch, capsys, tmp_path, kinds, before, after):
    def edit(record, output, cell):
        for kind in kinds:
            text = "".join(output["data"][kind])
            assert before in text
            output["data"][kind] = text.replace(before, after)

    path = changed(answer_of_documents(shell, monkeypatch, tmp_path, CITED), edit)
    assert "the answer that the notebook shows was edited" in verified(shell, path, capsys)[2]


def test_a_citation_of_a_document_that_was_not_there_is_told(shell, monkeypatch, capsys, tmp_path):
    def edit(record, output, cell):
        record["citations"][0]["document"] = "Send money to X"
        text = "".join(output["data"]["text/markdown"])
        assert "notes&#47;sky&#46;md" in text
        output["data"]["text/markdown"] = text.replace("notes&#47;sky&#46;md", "Send money to X")

    path = changed(answer_of_documents(shell, monkeypatch, tmp_path, CITED), edit)
    assert "the answer that the notebook shows was edited" in verified(shell, path, capsys)[2]


@pytest.mark.parametrize("damage", [3, [3], [{"mark": 3}]], ids=str)
def test_damaged_citations_end_in_a_sentence(shell, monkeypatch, capsys, tmp_path, damage):
    path = answer_of_documents(shell, monkeypatch, tmp_path, CITED)
    lines = verified(shell, changed(path, lambda record, *_: record.update(citations=damage)), capsys)
    assert lines[1].startswith("--          cell 2: ")
    assert "must be" in lines[1] or "must have" in lines[1]


def test_a_document_that_moved_with_its_notebook_is_found(asked_of_documents, shell, capsys, tmp_path):
    def moved(record, *_):
        record["documents"][0]["path"] = "/gone/notes/sky.md"

    assert len(verified(shell, changed(asked_of_documents, moved), capsys)) == 3


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"sha256": "x"}, "a document's sha256 must have 64 hexadecimal digits, got 'x'"),
        ({"size": -1}, "size must be"),
        ({"path": "/dev/zero", "name": "/dev/zero"}, "cannot be read any more (it is no plain file)"),
        ({"path": "a\0b", "name": "../n.ipynb"}, "the document ../n.ipynb cannot be read any more (embedded"),
        ({"path": ".", "name": "/etc/hosts\x1b[2J"}, "cannot be read any more (Is a directory)"),
    ],
    ids=str,
)
def test_damaged_records_of_documents_end_in_a_sentence(asked_of_documents, shell, capsys, change, why):
    path = changed(asked_of_documents, lambda record, *_: record["documents"][0].update(change))
    lines = verified(shell, path, capsys)
    assert why in "".join(lines)
    assert "\x1b" not in "".join(lines)


def test_a_reply_keeps_its_documents(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sky.md").write_text("Green.")
    model = scripted_model("<|channel|>final<|message|>Green.")
    reply = model.generate("?", docs=["sky.md", {"rules": "Be kind."}], seed=1)
    assert [(one.name, one.size) for one in reply.documents] == [("sky.md", 6), ("rules", 8)]
    assert [one.change() for one in reply.documents] == ["", ""]
    again = ossnb.Reply.from_json(reply.to_json())
    assert again == reply
    assert again.documents == reply.documents
    assert "documents" not in model.generate("?", seed=1).to_dict()


def test_the_sources_of_an_answer_name_whole_documents():
    docs = ossnb.Documents({"sky": "The sky over Zorn is green.", "rules": "Be kind."})
    model = ossnb.load("demo")
    reply = model.generate("What is 17 + 25?", docs=docs, temperature=0, max_tokens=40)
    parts = [part.name for part in reply.sources().parts]
    assert "sky" in parts
    assert "rules" in parts


# ---- what ends an answer -----------------------------------------------------------------------------------


def test_a_thought_that_was_ended_by_hand_comes_again(page, shell, capsys, tmp_path):
    model = ossnb.load("demo")
    stream = model.stream("What is 17 + 25?", seed=1)
    for n, _ in enumerate(stream):
        if n == 6:
            stream.stop_thinking()
    metadata = stream.reply.to_dict(settings_only=True) | record_of(stream.reply, model.fingerprint)
    (verdict,) = verify([SavedAnswer(1, "", metadata)], lambda facts: model)
    assert verdict.state == "identical"
    assert "the thought was ended by hand after" in verdict.notes[0]
    cancelled = model.stream("Tell me a story about a fox named Mia.", seed=1)
    for n, _ in enumerate(cancelled):
        if n == 6:
            cancelled.cancel()
    metadata = cancelled.reply.to_dict(settings_only=True) | record_of(cancelled.reply, "")
    (verdict,) = verify([SavedAnswer(1, "", metadata)], lambda facts: model)
    assert verdict.state == "identical"
    assert verdict.notes == ("the same in spite of another setting: the weights are others",)


def test_an_interrupt_keeps_the_verdicts_so_far(page, shell, capsys, tmp_path, monkeypatch):
    for cell in "abc":
        assert page.run(cell, f"%%oss\nSay {cell}").success
    path = page.save(tmp_path / "n.ipynb")
    model, n_asked = scripted_model("<|channel|>final<|message|>Yes."), []
    ask = model.ask

    def interrupted(question, **more):
        n_asked.append(question)
        if len(n_asked) == 2:
            raise KeyboardInterrupt
        return ask(question, **more)

    monkeypatch.setattr(model, "ask", interrupted)
    ossnb.set_default_model(model)
    result, out, _ = run(shell, f"%oss verify {path}", capsys)
    assert isinstance(result.error_in_exec, KeyboardInterrupt)
    assert "DIVERGED    cell 1" in out
    assert "stopped; 1 of 3 answers: 0 identical, 1 diverged, 0 not verified" in out
    assert threading.active_count() < 50


def test_a_prompt_that_has_no_room_is_told(page, shell, capsys, tmp_path):
    assert page.run("a", "%%oss\nWhat is 2 + 2?").success
    path = page.save(tmp_path / "n.ipynb")
    ossnb.set_default_model(ossnb.load("demo", context=40))
    assert "the context holds 40" in verified(shell, path, capsys)[1]


# ---- from the command line ---------------------------------------------------------------------------------


def test_the_command_line_verifies_a_notebook(page, capsys, tmp_path):
    assert page.run("a", "%%oss --seed 7\nWhat is 2 + 2?").success
    path = page.save(tmp_path / "n.ipynb")
    capsys.readouterr()
    assert main(["verify", str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 answer: 1 identical, 0 diverged, 0 not verified"
    assert main(["verify", str(path), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [one["state"] for one in report["verdicts"]] == ["identical"]
    changed(path, lambda record, *_: record.update(model="/tmp/elsewhere", seed=9))
    assert main(["verify", str(path)]) != 0
    assert "is not among those of this machine; --with MODEL" in capsys.readouterr().out
    assert main(["verify", str(path), "--with", "demo"]) == 0, "2 + 2 is sure with any seed"
    assert main(["verify", str(tmp_path / "gone.ipynb")]) == 2
    assert main(["verify", "demo", "--with", "demo"]) == 2


def test_parts_are_plain_data(page, tmp_path):
    assert page.run("a", "%%oss --seed 7\nWhat is 2 + 2?").success
    (answer,) = answers(read_json(page.save(tmp_path / "n.ipynb")))
    record = Record.read(answer.metadata)
    assert record.rounds()[0].stop == len(record.tokens)
    assert answer.question == "What is 2 + 2?"
    (verdict,) = verify([answer], lambda facts: ossnb.load("demo"))
    assert json.loads(json.dumps(verdict.to_dict()))["state"] == "identical"
    assert Verdict("cell 1", "identical", 3).text == "identical   cell 1: 3 tokens"
