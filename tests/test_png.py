"""Pictures: only whole PNG files of a sane size are taken."""

from __future__ import annotations

import base64
import struct

import pytest

from ossnb.sandbox.output import MOST_CHARS, MOST_PICTURES, NOTHING, Output
from ossnb.system.png import MOST_BYTES, MOST_PIXELS, png_size
from pngs import chunk, png

GOOD = png(3, 2)
HEAD = b"\x89PNG\r\n\x1a\n"


def head(width, height):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))


def test_a_whole_picture_has_a_size():
    assert png_size(GOOD) == (3, 2)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg onload=alert(1)>",
        b"GIF89a" + GOOD,
        GOOD[:-1],
        GOOD + b"<script>",
        GOOD.replace(b"IDAT", b"IDAX"),
        GOOD[:40] + b"\xff" + GOOD[41:],
        HEAD + chunk(b"IDAT", b"") + chunk(b"IEND", b""),
        HEAD + head(2, 2) + chunk(b"IEND", b""),
        HEAD + head(0, 2) + chunk(b"IDAT", b"") + chunk(b"IEND", b""),
        HEAD + head(MOST_PIXELS + 1, 2) + chunk(b"IDAT", b"") + chunk(b"IEND", b""),
        HEAD + head(2, 2) + head(2, 2) + chunk(b"IDAT", b"") + chunk(b"IEND", b""),
        HEAD + chunk(b"IHDR", b"short") + chunk(b"IDAT", b"") + chunk(b"IEND", b""),
        HEAD + head(2, 2) + chunk(b"IDAT", bytes(MOST_BYTES)) + chunk(b"IEND", b""),
        HEAD + struct.pack(">I", 2**32 - 1) + b"IHDR",
    ],
    ids=lambda data: repr(data[:12]) + str(len(data)),
)
def test_all_else_is_no_picture(data):
    assert png_size(data) is None


def shown(*outputs):
    output = Output()
    for data in outputs:
        output.shown(data)
    return output


def test_a_picture_is_told_in_words_and_html_is_left_out():
    picture = {"image/png": base64.b64encode(GOOD).decode(), "text/plain": "<Figure>"}
    output = shown(picture, {"text/html": "<script>alert(1)</script>", "text/plain": "<HTML object>"})
    assert output.text == "[image/png 3x2 shown to the user]\n<HTML object>"
    assert output.pictures == [GOOD]
    assert shown({"image/png": GOOD}).pictures == [GOOD], "bytes, as one's own shell has them"


@pytest.mark.parametrize("data", ["bm8=", "not base64!", 3, None, GOOD[:-4]])
def test_a_picture_that_is_none_is_told(data):
    output = shown({"image/png": data, "text/plain": "<Figure>"})
    assert output.pictures == []
    assert output.text.startswith("[a picture that is not shown: it is no whole PNG file")
    assert output.text.endswith("<Figure>")


def test_there_are_so_many_pictures_and_no_more():
    output = shown(*[{"image/png": GOOD}] * (MOST_PICTURES + 2))
    assert len(output.pictures) == MOST_PICTURES
    assert output.text.count("one too many") == 2


def test_text_is_kept_as_the_model_was_trained_to_read_it():
    output = Output()
    assert output.text == NOTHING
    output.printed("stderr", "warning\n")
    output.printed("stdout", "a\n")
    output.shown({"text/plain": "42", "text/html": "<b>42</b>"})
    output.raised("ValueError", "bad", ["Traceback", "ValueError: bad"])
    assert output.text == "a\n42\nwarning\nTraceback\nValueError: bad"
    assert output.error == "ValueError: bad"


def test_too_much_text_is_counted_and_not_kept():
    output = Output()
    for _ in range(3):
        output.printed("stdout", "x" * (MOST_CHARS - 1))
    assert output.is_too_long
    assert output.n_chars == 3 * (MOST_CHARS - 1)
    assert len(output.text) == MOST_CHARS
