"""Documents: what is read of files, folders and tables, and what is said of those that cannot be read."""

from __future__ import annotations

import codecs
import io
import json
import os
import pickle
import re
import sys
import threading
import zipfile

import pandas as pd
import polars as pl
import pytest

import papers
from ossnb import Documents
from ossnb.command.cli import main
from ossnb.documents import files, index, office, store


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("OSSNB_CACHE", str(folder))
    return folder / "documents"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def only(docs):
    (document,) = docs.documents
    return document


def lines_of(docs):
    return list(only(docs).text.lines)


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# ---- what is read ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "lines"),
    [
        ("a.txt", b"one\r\ntwo\rthree\n\n\n", ["one", "two", "three"]),
        ("a.md", "# Größe\n\n…".encode(), ["# Größe", "", "…"]),
        ("a.py", "def f():\n\treturn '【0†L1】'\n", ["def f():", "\treturn '〖0†L1〗'"]),
        ("a.csv", "a,b\n1,2\n", ["a,b", "1,2"]),
        ("latin.txt", "größer".encode("latin-1"), ["größer"]),
        ("wide.txt", "größer".encode("utf-16"), ["größer"]),
        ("bom.txt", codecs.BOM_UTF8 + b"x", ["x"]),
        ("LICENSE", b"free", ["free"]),
        ("terminal.txt", b"a\x1b[2Jb\x07\x00"[:7], ["a[2Jb"]),
    ],
)
def test_text_is_read_line_by_line(here, name, data, lines):
    put(here / name, data)
    assert lines_of(Documents(name)) == lines


@pytest.mark.parametrize(
    ("name", "text", "encoding"),
    [
        ("a.html", "<html><head><meta charset=windows-1251></head><p>Привет", "cp1251"),
        (
            "a.html",
            "<meta http-equiv='Content-Type' content='text/html; charset=Shift_JIS'><p>今日は①",
            "cp932",
        ),
        ("a.html", '<META CHARSET="gb2312"><p>你好镕', "gbk"),
        ("a.xhtml", '<?xml version="1.0" encoding="iso-8859-2"?><p>łódź', "iso8859-2"),
        ("a.py", "#!/usr/bin/python\n# -*- coding: koi8-r -*-\nx = 'Привет'", "koi8-r"),
        ("a.c", "/* vim: set fileencoding=euc-jp : */\n// 今日は", "euc_jp"),
        ("mail.html", "<meta charset=iso-2022-jp><p>今日は", "iso2022_jp"),
        ("a.css", '@charset "big5";\n/* 你好 */', "big5"),
    ],
)
def test_a_file_is_read_in_the_encoding_that_it_names(here, name, text, encoding):
    put(here / name, text.encode(encoding))
    docs = Documents(name)
    assert lines_of(docs)[-1] == text.rpartition("<p>")[2].rpartition("\n")[2]
    assert docs.plan(4096).notes == ()


@pytest.mark.parametrize("named", ["hex", "idna", "punycode", "utf-7", "nothing", "utf-16", "\xe9", "../x"])
def test_an_encoding_that_is_none_of_text_is_not_tried(here, named):
    put(here / "a.py", f"# coding: {named}\nx = 'größer'".encode("latin-1"))
    assert lines_of(Documents("a.py"))[1] == "x = 'größer'"


def test_an_encoding_that_is_a_guess_is_told(here):
    put(here / "a.txt", "größer".encode("latin-1"))
    put(here / "b.txt", "größer")
    notes = Documents("a.txt").plan(4096).notes
    assert notes == ("a.txt was read as Western European; save it as UTF-8 if it looks wrong",)
    assert Documents("b.txt").plan(4096).notes == ()
    for name in ("c.html", "d.py", "e.txt"):
        put(here / name, "größer".encode("latin-1"))
    (note,) = Documents(here).plan(4096).notes
    assert re.match(
        r"4 documents were read as Western European \(\S+a.txt, \S+c.html, \S+d.py and 1 more\)", note
    )


def test_a_notebook_is_its_sources_and_the_text_of_its_outputs(here):
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "words"]},
        {
            "cell_type": "code",
            "source": "1 + 1",
            "outputs": [
                {"output_type": "stream", "text": ["printed\n"]},
                {"output_type": "execute_result", "data": {"text/plain": "2", "image/png": "AAAA"}},
                {"output_type": "error", "ename": "KeyError", "evalue": "'x'"},
            ],
        },
        {"cell_type": "code", "source": "", "outputs": []},
    ]
    put(here / "a.ipynb", json.dumps({"cells": cells}))
    document = only(Documents("a.ipynb"))
    assert [line for line in document.text.lines if line.strip()] == [
        "[text]", "# Title", "words", "[code]", "1 + 1", "[output]", "printed", "[output]", "2", "[output]",
        "KeyError: 'x'",
    ]  # fmt: skip
    assert document.place(1, 1) == "cell 1"
    assert document.place(0, 5) == "cell 1 to cell 2"
    assert document.size == "2 cells"


def test_a_page_of_the_web_is_what_it_shows(here):
    html = (
        "<!doctype html><html><head><title>A &amp; B</title><style>p {}</style>\n<script>a</script></head>"
        "\n<body><h2>Prices</h2>\n<p hidden>not <b>seen</b></p><ul><li>one<li>two</ul>"
        "<table><tr><td>a</td><td>b</td></tr></table><pre>x\n  y</pre>\n"
        "<img alt='a cat' src=x><template>no</template>after<br>all &lt;script&gt;</body>"
    )
    put(here / "a.html", html)
    document = only(Documents("a.html"))
    assert list(document.text.lines) == [
        "A & B", "## Prices", "* one", "* two", "a | b", "x", "  y", "[image: a cat]after", "all <script>",
    ]  # fmt: skip
    assert document.place(1, 1) == "line 3"
    assert document.place(6, 6) == "line 5"


@pytest.mark.parametrize(
    ("html", "lines"),
    [
        ("<p hidden>no<p>yes", ["yes"]),
        ("<p hidden>no<ul><li>yes</ul>", ["* yes"]),
        ("<div><p hidden>no</div>yes", ["yes"]),
        ("<p hidden>no<p hidden>no</p>yes", ["yes"]),
        ("<ul><li hidden>no<p>no</p><ul><li>no<li>no</ul>no<li>yes</ul>", ["* yes"]),
        ("<ul><li hidden>no<ol><li>no</ol></ul>yes", ["yes"]),
        ("<table><tr hidden><td>no<td>no<tr><td>a<td>b</table>", ["a | b"]),
        ("<table><tr><td hidden>no<table><tr><td>no</table>no<td>yes</table>", ["yes"]),
        ("<table><tbody hidden><tr><td>no<tbody><tr><td>a</table>yes", ["a", "yes"]),
        ("<dl><dt>a<dd hidden>no<dt>b<dd>c</dl>", ["a", "b", "c"]),
        ("<select><option hidden>no<option>a</select>", ["a"]),
        ("<select><option hidden>no</select>yes", ["yes"]),
        ("<div hidden>no<div>no</div><p>no</div>yes", ["yes"]),
    ],
)
def test_a_hidden_element_without_an_end_ends_where_a_page_ends_it(here, html, lines):
    put(here / "a.html", html)
    assert lines_of(Documents("a.html")) == lines


@pytest.mark.parametrize(
    "begun", ["<a ", "<!--", "<a <", "</a ", "<?", "<![CDATA[", "<![x", "<a x='", "<b> ", "&#"]
)
def test_a_page_of_tags_without_an_end_is_read_at_once(here, begun):
    """Each of these kept Python busy for minutes, or longer: they were looked at again from each place."""
    put(here / "a.html", "<p>text</p>" + begun * 60_000)
    assert lines_of(Documents("a.html"))[0] == "text"


@pytest.mark.parametrize(
    ("html", "lines"),
    [
        ("<p>Q&A at AT&T", ["Q&A at AT&T"]),
        ("<p>a <", ["a <"]),
        ("<p>a &lt", ["a <"]),
        ("<p>a<a href='x", ["a"]),
        ("<p>a<!-- b", ["a"]),
        ("<p>a<![if x]>b<![endif]>", ["ab"]),
        ("<p>a<![x y]>b", ["ab"]),
        ("<p> <b> </b>\n<i>a</i>", ["a"]),
    ],
)
def test_a_page_ends_as_in_a_browser(here, html, lines):
    put(here / "a.html", html)
    assert lines_of(Documents("a.html")) == lines


def test_a_page_without_the_end_of_its_head_is_read(here):
    put(here / "a.html", "<head><meta charset=utf-8><title>T</title><body><p>text")
    assert lines_of(Documents("a.html")) == ["T", "text"]


def test_a_pdf_is_read_page_by_page_and_kept(here, cache, monkeypatch):
    put(here / "a.pdf", papers.pdf("First words", "", "Third words"))
    document = only(Documents("a.pdf"))
    assert document.text.lines == ("First words", "Third words")
    assert (document.place(1, 1), document.size) == ("page 3", "2 pages")
    assert len(list(cache.glob("*.text.kept"))) == 1
    monkeypatch.setitem(files.KINDS, ".pdf", files.Kind("pdf", lambda data: pytest.fail("read twice"), True))
    assert only(Documents("a.pdf")) == document


def test_office_files_are_read_with_their_places(here):
    put(
        here / "a.docx", papers.docx(("Heading 1", "Plan"), ("Normal", "We build."), [["a", "b"], ["1", "2"]])
    )
    assert [line for line in lines_of(Documents("a.docx")) if line] == [
        "# Plan",
        "We build.",
        "| a | b |",
        "| 1 | 2 |",
    ]
    put(here / "a.xlsx", papers.xlsx(Costs=[["item", "price"], ["pear", 2.5], [None, None]], Empty=[]))
    sheet = only(Documents("a.xlsx"))
    assert sheet.text.lines == ("# Costs", "item | price", "pear | 2.5", "# Empty")
    assert sheet.place(2, 2) == "sheet Costs, row 2"
    put(here / "a.pptx", papers.pptx(("Title", "Points", "say it slowly"), ("End", "Thanks", "")))
    slides = only(Documents("a.pptx"))
    assert [line for line in slides.text.lines if line.strip()] == [
        "Title", "Points", "[notes]", "say it slowly", "End", "Thanks",
    ]  # fmt: skip
    assert (slides.place(0, 0), slides.size) == ("slide 1", "2 slides")


@pytest.mark.parametrize("library", [pd, pl])
def test_a_table_is_its_columns_some_rows_and_figures(library):
    table = library.DataFrame({"city": ["Rome", None, "a\nb|c"] * 5, "n": range(15)})
    lines = lines_of(Documents({"sales": table}))
    assert lines[0] == f"15 rows x 2 columns, a DataFrame of {library.__name__}"
    assert any(line.startswith("city: ") and line.endswith(", 5 missing") for line in lines)
    assert "# The first 10 rows" in lines
    assert any("a b¦c" in line for line in lines)
    assert any(line.startswith(("mean |", "mean")) for line in lines)
    assert len(lines) < 40
    assert only(Documents([table])).name == "table 1"


def test_odd_tables_are_told():
    for table in (
        pd.DataFrame(),
        pl.DataFrame(),
        pd.Series([1, 2]),
        pl.Series([1]),
        pl.LazyFrame({"a": [1]}),
    ):
        assert "column" in lines_of(Documents([table]))[0]
    wide = pd.DataFrame({f"c{n}": [[n], {}] for n in range(200)})
    assert "... and 140 columns more" in lines_of(Documents([wide]))
    twice = pd.DataFrame([[1, 2]], columns=["a", "a"])
    assert lines_of(Documents([twice]))[:5] == [
        "1 row x 2 columns, a DataFrame of pandas",
        "",
        "# Columns",
        "a: int64",
        "a: int64",
    ]


def test_a_folder_is_its_files_that_can_be_read(here):
    put(here / "notes/b.md", "b")
    put(here / "notes/deep/a.txt", "a")
    put(here / "notes/logo.png", b"\x89PNG")
    put(here / "notes/data.dat", b"\0\1\2")
    put(here / "notes/empty.txt", "")
    for hidden in (".git/config", ".env", "node_modules/x.js", "__pycache__/y.py"):
        put(here / "notes" / hidden, "hidden")
    docs = Documents("notes/")
    assert docs.names == ["notes/b.md", "notes/deep/a.txt"]
    assert (
        "3 files were left out (not text: notes/data.dat, notes/logo.png; empty: notes/empty.txt)"
        in docs.left_out
    )
    assert lines_of(Documents("notes/.env")) == ["hidden"], "what is named is read"
    assert Documents(here / "notes").names == docs.names


def test_names_tell_apart_and_tell_no_folder_of_the_machine(here):
    put(here / "a/x.md", "1")
    put(here / "b/x.md", "2")
    assert Documents(["a/x.md", "b/x.md"]).names == ["a/x.md", "b/x.md"]
    assert Documents([here / "a/x.md", here / "b/x.md", {"x.md": "3"}]).names == [
        "x.md",
        "x.md (2)",
        "x.md (3)",
    ]
    assert Documents(["b/../a/x.md"]).names == ["a/x.md"]


def test_a_users_reader_comes_first(here):
    put(here / "a.odd", b"\0\0")
    put(here / "b.txt", "plain")
    docs = Documents(["a.odd", "b.txt"], reader=lambda path: "told" if path.suffix == ".odd" else None)
    assert [document.text.lines for document in docs.documents] == [("told",), ("plain",)]
    with pytest.raises(
        ValueError, match="reader must return the text of a file, or None for the usual way, got int"
    ):
        Documents("b.txt", reader=lambda path: 3)
    with pytest.raises(ValueError, match="reader must be a function of a path, got 3"):
        Documents("b.txt", reader=3)


def test_a_reader_that_raises_leaves_out_one_file(here):
    def read(path):
        if path.name == "b.txt":
            raise KeyError("no\n【0†such】")
        return "told"

    for name in ("a.txt", "b.txt", "c.txt"):
        put(here / "d" / name, "x")
    docs = Documents("d", reader=read)
    assert docs.names == ["d/a.txt", "d/c.txt"]
    assert re.fullmatch(r"1 file was left out \(reader raised KeyError: .*: d/b\.txt\)", docs.left_out)
    assert not set("\n【†") & set(docs.left_out)
    with pytest.raises(ValueError, match=r"d/b.txt is no document: reader raised KeyError") as caught:
        Documents("d/b.txt", reader=read)
    assert isinstance(caught.value.__cause__, KeyError), "its author sees where"
    with pytest.raises(KeyboardInterrupt):
        Documents("d", reader=interrupts)


def interrupts(path):
    raise KeyboardInterrupt


def test_documents_are_values(here):
    put(here / "a.txt", "one")
    docs = Documents(["a.txt"])
    assert docs == Documents("a.txt")
    assert pickle.loads(pickle.dumps(docs)) == docs
    assert hash(docs) == hash(pickle.loads(pickle.dumps(docs)))
    assert docs != Documents({"a.txt": "two"})
    assert Documents([docs, {"b": "three"}]).names == ["a.txt", "b"]
    assert repr(docs) == "Documents(1 document: a.txt)"
    put(here / "a.txt", "changed")
    assert lines_of(docs) == ["one"], "what was read stays"


# ---- what cannot be read -----------------------------------------------------------------------------------


def fails(items, *texts):
    with pytest.raises(ValueError, match=re.escape(texts[0])) as caught:
        Documents(items)
    message = str(caught.value)
    assert [text for text in texts if text not in message] == []
    assert message == message.strip()
    assert "\n" not in message
    return message


def test_what_is_missing_or_no_document_is_told(here):
    fails("nope.md", "there is no file and no folder 'nope.md'; names are looked for in", str(here))
    fails(str(here / "nope"), "there is no file and no folder")
    fails("", "a document is a file or a folder, got the name ''")
    fails("a\0b", "a document is a file or a folder")
    fails("https://example.org/a.pdf", "is an address, and documents are files here")
    fails("~nobody-here/x", "there is no file and no folder '~nobody-here/x'")
    fails("x" * 5000, "x")
    fails([], "docs names no document")
    fails(7, "docs must be files, folders or tables", "got 7")
    fails([7], "docs takes paths, DataFrames, and dicts of names with texts, got 7")
    fails({"a": 7}, "the document 'a' must be a text or a DataFrame, got 7")
    fails({"a": " \n"}, "the document 'a' has no text")
    fails({"": "a"}, "a document's name must be text, got ''")
    os.mkfifo(here / "pipe")
    fails("pipe", "pipe is no document: it is no plain file")
    put(here / "empty.txt", " \n ")
    fails("empty.txt", "empty.txt is no document: it has no text")


def test_a_file_without_the_right_to_read_it_is_told(here, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    put(here / "d/a.txt", "x")
    monkeypatch.setattr(files, "open_file", refuse)
    fails("d/a.txt", "d/a.txt cannot be read: Permission denied")
    fails(
        "d",
        "d has no file that can be read: 1 file was left out (cannot be read: Permission denied: d/a.txt)",
    )


def test_binary_files_are_told(here):
    put(here / "a.bin", bytes(range(256)) * 10)
    fails("a.bin", "a.bin is no document: it is not text but a binary file")
    put(here / "b.txt", bytes(n for n in range(1, 256) if n not in (10, 13)) * 10)
    fails("b.txt", "it is not text but a binary file")
    put(here / "c.txt", codecs.BOM_UTF16_LE + b"\x00\xd8\x41\x00x")
    fails("c.txt", "its first bytes say that it is utf-16")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.pdf", lambda: papers.encrypted_pdf("x"), "it is encrypted: save a copy without a password"),
        ("a.pdf", lambda: papers.pdf("", ""), "its 2 pages have no text: it may be scanned"),
        ("a.pdf", lambda: papers.pdf(""), "its page has no text: it may be scanned"),
        ("a.pdf", lambda: papers.pdf("Hi")[:200], "it is no PDF, or a damaged one"),
        ("a.pdf", lambda: b"hello", "it is no PDF, or a damaged one"),
        ("a.docx", lambda: b"PK\x03\x04 no zip", "it is no Word document, or a damaged one (BadZipFile"),
        ("a.docx", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1", "it is encrypted, or of a format from before 2007"),
        ("a.xlsx", lambda: zipped({"a": b"b"}), "it is no workbook of Excel, or a damaged one"),
        ("a.pptx", lambda: zipped({"a": b"b"}), "it is no presentation, or a damaged one"),
        ("a.doc", lambda: b"\xd0\xcf\x11\xe0", ".doc is a format from before 2007: save a copy as .docx"),
        ("a.ipynb", lambda: b"{", "it is no notebook: it must be JSON"),
        ("a.ipynb", lambda: b'{"cells": 3}', "it is no notebook of format 4"),
        ("a.ipynb", lambda: b"[" * 100_000, "it is no notebook: it must be JSON"),
    ],
)
def test_files_of_a_kind_that_cannot_be_read_are_told(here, name, data, message):
    put(here / name, data())
    fails(name, f"{name} is no document: ", message)
    put(here / "good.txt", "good")
    docs = Documents(here)
    assert [one.rpartition("/")[2] for one in docs.names] == ["good.txt"], "in a folder it is left out"
    assert name in docs.left_out


def zipped(entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_an_encrypted_pdf_that_everybody_may_read_is_read(here):
    put(here / "a.pdf", papers.encrypted_pdf(""))
    assert lines_of(Documents("a.pdf")) == ["secret"]


def test_a_zip_that_grows_is_not_unpacked(here, monkeypatch):
    monkeypatch.setattr(office, "MOST_UNPACKED", 1_000_000)
    put(here / "a.docx", zipped({"word/document.xml": b"0" * 2_000_000}))
    fails("a.docx", "it unpacks to 2 MB, and a document to at most 1")


def test_a_file_of_many_pages_or_cells_is_refused(here, monkeypatch):
    monkeypatch.setattr(office, "MOST_PAGES", 2)
    monkeypatch.setattr(office, "MOST_CELLS", 3)
    put(here / "a.pdf", papers.pdf("a", "b", "c"))
    fails("a.pdf", "it has 3 pages, and a document at most 2: give a part")
    put(here / "a.xlsx", papers.xlsx(A=[[1, 2], [3, 4]]))
    fails("a.xlsx", "it has more than 3 cells")


def wide(n_rows):
    """A workbook of one column, whose first row is formatted to the last column there is."""
    import openpyxl

    workbook = openpyxl.Workbook()
    for n in range(1, n_rows + 1):
        workbook.active.cell(n, 1, n)
    workbook.active["XFD1"].font = openpyxl.styles.Font(bold=True)
    return papers.saved(workbook)


def test_cells_with_nothing_in_them_do_not_count(here, monkeypatch):
    put(here / "a.xlsx", wide(100))
    lines = lines_of(Documents("a.xlsx"))
    assert (lines[0], len(lines), lines[-1]) == ("# Sheet", 101, "100")
    monkeypatch.setattr(office, "MOST_PLACES", 16_000)
    put(here / "b.xlsx", wide(99))
    fails("b.xlsx", "its sheets are too large, though mostly empty: give the part that matters")


def test_without_the_library_the_extra_is_named(here, monkeypatch):
    put(here / "a.pdf", papers.pdf("x"))
    monkeypatch.setitem(sys.modules, "pypdf", None)
    fails("a.pdf", 'reading PDF files needs a library: pip install "ossnb[documents]"')


def test_a_folder_of_300_mb_is_refused_before_it_is_read(here):
    for n in range(8):
        with open(put(here / f"big/{n}.txt", "a"), "r+b") as file:
            file.truncate(38_000_000)
            file.seek(0)
            file.write(b"text " * 2000)
    fails("big", "big has 8 files with 304 MB that may be documents, and a folder may have 5,000 with 200 MB")
    put(here / "one.txt", "x")
    with open(here / "one.txt", "r+b") as file:
        file.truncate(60_000_000)
    fails("one.txt", "it has more than 50 MB: give a part of it")


def test_a_folder_of_very_many_files_is_refused(here, monkeypatch):
    for n in range(4):
        put(here / f"many/{n}.txt", "x")
    monkeypatch.setattr(files, "MOST_FILES", 3)
    fails("many", "many has 4 files")
    monkeypatch.setattr(files, "MOST_SEEN", 3)
    fails("many", "has more than 3 files: give a folder in it")


def test_a_folder_without_a_file_that_can_be_read_says_why(here):
    (here / "none").mkdir()
    fails("none", "none has no file that can be read; it is empty")
    put(here / "none/a.png", b"x")
    put(here / "none/b.pdf", papers.encrypted_pdf("x"))
    message = fails("none", "none has no file that can be read: 2 files were left out")
    assert "not text: none/a.png" in message
    assert "it is encrypted: save a copy without a password and give that: none/b.pdf" in message


def test_links_that_leave_the_folder_are_not_followed(here):
    put(here / "secret/key.txt", "secret")
    put(here / "notes/a.md", "a")
    (here / "notes/out.txt").symlink_to(here / "secret/key.txt")
    (here / "notes/dir").symlink_to(here / "secret")
    (here / "notes/passwd").symlink_to("/etc/passwd")
    (here / "notes/inner.md").symlink_to("a.md")
    (here / "notes/loop").symlink_to(".")
    (here / "notes/gone").symlink_to("nowhere")
    docs = Documents("notes")
    assert docs.names == ["notes/a.md"]
    assert (
        "3 files were left out (links that lead out of the folder: notes/dir, notes/out.txt" in docs.left_out
    )
    (here / "link").symlink_to("notes")
    assert Documents("link").names == ["link/a.md"], "a link that was given is what was meant"


def test_a_folder_that_becomes_a_link_while_it_is_read_is_not_followed(here, monkeypatch):
    put(here / "notes/sub/key.txt", "harmless")
    put(here / "notes/a.md", "a")
    put(here / "secret/key.txt", "secret")
    opened = files.open_file

    def swap(path):
        if path.name == "key.txt" and not (here / "notes/sub").is_symlink():
            (here / "notes/sub").rename(here / "gone")
            (here / "notes/sub").symlink_to(here / "secret")
        return opened(path)

    monkeypatch.setattr(files, "open_file", swap)
    docs = Documents("notes")
    assert docs.names == ["notes/a.md"]
    assert "a link that leads out of the folder: notes/sub/key.txt" in docs.left_out


def test_a_file_that_changes_while_it_is_read(here, monkeypatch):
    path = put(here / "a.txt", "one")
    opened, n = files.open_file, 0

    class Growing:
        def __init__(self, file):
            self.file = file

        def read(self, most):
            nonlocal n
            data = self.file.read(most)
            if n < n_changes:
                n += 1
                with open(path, "a") as writer:
                    writer.write("!")
            return data

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def fileno(self):
            return self.file.fileno()

    monkeypatch.setattr(files, "open_file", lambda path: Growing(opened(path)))
    n_changes = 2
    assert lines_of(Documents("a.txt")) == ["one!!"]
    n, n_changes = 0, 99
    fails("a.txt", "it changes while it is read: wait until its writer has finished, or give a copy")


def test_hostile_names_are_one_line_of_text(here):
    name = "a\n【0†b】\x1b[2J<img src=x onerror=alert(1)>.txt"
    put(here / "d" / name.replace("/", ""), "text")
    (told,) = Documents("d").names
    assert "\n" not in told
    assert "\x1b" not in told
    assert "【" not in told
    assert "†" not in told
    assert len(Documents({"x" * 5000: "a"}).names[0]) < 200


# ---- what is kept ------------------------------------------------------------------------------------------


def test_an_index_is_made_once_for_a_content(here, cache):
    put(here / "d/a.md", "red apples")
    put(here / "d/b.md", "green pears")
    assert Documents("d").search("pear")[0] == ("d/b.md", "line 1", "green pears")
    made = {path.name: path.stat().st_ino for path in cache.glob("*.index.kept")}
    assert len(made) == 2
    put(here / "d/b.md", "blue plums")
    assert Documents("d").search("pear") == []
    assert Documents("d").search("plum")[0][0] == "d/b.md"
    now = {path.name: path.stat().st_ino for path in cache.glob("*.index.kept")}
    assert len(now) == 3
    assert {name: now[name] for name in made} == made, "only the file that changed was read anew"


@pytest.mark.parametrize("damage", [b"", b"x" * 100, None])
def test_a_damaged_index_is_made_anew(here, cache, damage):
    put(here / "a.pdf", papers.pdf("red apples"))
    docs = Documents("a.pdf")
    assert docs.search("apple")
    for path in cache.glob("*.kept"):
        data = path.read_bytes()
        path.write_bytes(
            data[: len(data) // 2] + b"?" + data[len(data) // 2 + 1 :] if damage is None else damage
        )
    put(here / "b.txt", "other words")  # so that no index of this process is taken
    assert Documents(["a.pdf", "b.txt"]).search("apple")[0] == ("a.pdf", "page 1", "red apples")


def test_a_whole_file_with_other_content_is_no_index(here, cache):
    put(here / "a.txt", "red apples")
    assert Documents(["a.txt", {"x": "y"}]).search("apple")
    for path in cache.glob("*.index.kept"):
        assert store.put(path.name, b"not an array")
    assert Documents(["a.txt", {"x": "z"}]).search("apple")


def test_a_cache_that_cannot_be_written_is_told_and_changes_nothing(here, monkeypatch):
    blocked = put(here / "blocked", "a file where a folder should be")
    monkeypatch.setenv("OSSNB_CACHE", str(blocked))
    put(here / "a.txt", "red apples")
    docs = Documents(["a.txt"], whole=0)
    assert docs.search("apple")
    (note,) = docs.plan(4096).notes
    assert note == f"what was read of documents cannot be kept in {blocked / 'documents'}, and is read anew"
    assert store.files() == []
    assert store.clear() == 0


def test_the_cache_stays_within_its_size(monkeypatch, cache):
    monkeypatch.setattr(store, "MOST_BYTES", 250)
    for n in range(5):
        assert store.put(f"{n}.kept", os.urandom(60))
        os.utime(cache / f"{n}.kept", (n, n))
    assert [path.name for path in store.files()] == ["3.kept", "4.kept"]
    assert store.get("4.kept") is not None
    assert store.get("1.kept") is None
    assert store.clear() > 0
    assert store.files() == []


def test_a_long_index_tells_how_far_it_is_and_goes_on_after_an_interrupt(here, monkeypatch, cache):
    monkeypatch.setattr(index, "TELL_FROM_CHARS", 20)
    shown = []

    class Line:
        def __init__(self, text, total):
            shown.append(text)

        def update(self, done):
            shown.append(done)
            if len(shown) == 2:
                raise KeyboardInterrupt

        def close(self):
            shown.append("closed")

    monkeypatch.setattr(index, "start_progress", Line)
    docs = Documents({f"d{n}": f"interrupted words {n}" for n in range(4)})
    with pytest.raises(KeyboardInterrupt):
        docs.index()
    assert shown == ["making the index of 4 documents, once", 20, "closed"]
    assert len(list(cache.glob("*.index.kept"))) == 1
    assert docs.search("interrupted")
    assert shown[3:] == ["making the index of 4 documents, once", 40, 60, 80, "closed"]
    shown.clear()
    assert Documents({**{f"d{n}": f"interrupted words {n}" for n in range(4)}, "e": "x"}).search(
        "interrupted"
    )
    assert shown == [], "what is kept needs no line"


def test_threads_share_an_index():
    docs = Documents({f"d{n}": f"word{n} apples" for n in range(50)})
    found, errors = [], []

    def search(n):
        try:
            found.append(docs.search(f"word{n}")[0][0] == f"d{n}")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=search, args=(n,)) for n in range(20)]
    [thread.start() for thread in threads]
    [thread.join(20) for thread in threads]
    assert (errors, found) == ([], [True] * 20)


# ---- search ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("invoice", "Invoices are due."),
        ("read file", "def read_file(path):"),
        ("parse html", "class parseHTML:"),
        ("3.14", "pi is 3.14 or so"),
        ("人工知能", "これは人工知能の本です"),
        ("GRÖSSE", "die größe"),
        ("naïve", "a naïve way"),
    ],
)
def test_words_are_found_in_their_forms(query, text):
    docs = Documents({"other": "nothing of this kind", "right": text, "more": "and another text"})
    assert docs.search(query)[0][0] == "right"


def test_rare_words_and_short_passages_count_more():
    docs = Documents({"a": "the the the kiwi", "b": "the apple", "c": "the " * 200 + "kiwi"})
    assert [name for name, _, _ in docs.search("the kiwi")][:2] == ["a", "c"]
    assert docs.search("nothing here") == []
    assert docs.search("") == []


def test_passages_end_where_the_text_does():
    text = "\n".join(["# One", *["one words"] * 30, "", "# Two", *["two words"] * 30])
    docs = Documents({"a": text})
    assert docs.search("two")[0][1] == "lines 32-63"
    assert docs.index().n_passages == 2
    assert Documents({"a": "x" * 100_000}).index().n_passages == 1


def test_the_command_shows_and_clears_what_is_kept(here, capsys):
    put(here / "a.txt", "red apples")
    Documents("a.txt").search("apple")
    assert main(["cache"]) == 0
    assert "of documents that were read, in " in capsys.readouterr().out
    assert main(["cache", "--clear"]) == 0
    assert store.files() == []
