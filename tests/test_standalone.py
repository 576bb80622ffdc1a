"""A view on a page of its own: whole, without network, and with no script but the view's."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import numpy as np
import pytest

import ossnb
from fakes import scripted_model, sources_view
from ossnb.views.attention import Attention
from ossnb.views.experts import Experts
from ossnb.views.lens import LogitLens

EVIL = "</script><script>hit()</script><img src=x onerror=hit()><!--"


@pytest.fixture(scope="module")
def model():
    return scripted_model(f"<|channel|>final<|message|>{EVIL}")


@pytest.fixture(scope="module")
def reply(model):
    return model.generate("Hi", seed=1)


def panels(reply):
    view = reply.inspect()
    view.branch(3, EVIL)
    tokens = np.array(reply.tokens, np.int32)
    n = len(tokens)
    experts = Experts(tokens, np.zeros((2, n, 1), np.int32), np.ones((2, n, 1), np.float32), 4)
    ids = np.stack([tokens, tokens])[:, :, None]
    return [
        view,
        experts,
        experts.difference(experts),
        Attention(tokens, np.full((n, n), 1 / n, np.float32), EVIL, n - 1),
        LogitLens(tokens, np.arange(2, dtype=np.int32), ids, np.zeros(ids.shape, np.float32)),
        ossnb.sliders(EVIL, reply=reply),
        ossnb.compare([reply, view.branches[0]]),
        sources_view(reply, EVIL),
    ]


def test_every_view_has_a_page_that_allows_one_script(reply, tmp_path):
    n_live = 0
    for panel in panels(reply):
        path = tmp_path / "view.html"
        panel.to_html(path)
        page = path.read_text(encoding="utf-8")
        assert panel.html() in page
        assert page.count("<title>") >= 1
        assert page.count("<h1>") == 1
        assert "<img" not in page
        (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
        assert policy.startswith("default-src 'none'; ")
        scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page, re.DOTALL)
        assert len(re.findall("<script", page)) == len(scripts)
        assert ("script-src" in policy) == bool(scripts)
        if scripts:
            n_live += 1
            assert [kind for kind, _ in scripts] == [' type="application/json" id="values"', ' type="module"']
            values, script = (text for _, text in scripts)
            digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
            assert f"script-src 'sha256-{digest}'" in policy
            assert json.loads(values)["has_kernel"] is False
    assert n_live == 5


def test_bytes_reach_the_page(tmp_path):
    weights = np.linspace(0, 0.2, 15, dtype=np.float32).reshape(3, 5)
    Attention(np.arange(5, dtype=np.int32), weights, "layer 0", 2).to_html(str(tmp_path / "a.html"))
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    values = json.loads(re.search(r'id="values">(.*?)</script>', page)[1])
    assert base64.b64decode(values["weights"]["base64"]) == weights.astype("<f4").tobytes()


def test_half_characters_do_not_keep_a_page_from_being_written(model, tmp_path):
    ossnb.sliders("\ud83d", model=model).to_html(tmp_path / "a.html")
    assert (tmp_path / "a.html").stat().st_size > 500


def test_a_page_is_written_whole_or_not_at_all(reply, tmp_path, monkeypatch):
    path = tmp_path / "view.html"
    path.write_text("old")
    view = reply.inspect()

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="No space"):
        view.to_html(path)
    assert [file.name for file in tmp_path.iterdir()] == ["view.html"]
    assert path.read_text() == "old"


def test_a_path_begins_at_home_where_it_says_so(reply, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    view = reply.inspect()
    view.to_html("~/view.html")
    assert (tmp_path / "view.html").stat().st_size > 500
    with pytest.raises(ValueError, match="the page is '~nobody-here/view"):
        view.to_html("~nobody-here/view.html")


def test_a_folder_is_no_page(reply, tmp_path):
    view = reply.inspect()
    with pytest.raises(OSError, match="no plain file"):
        view.to_html(tmp_path)
    with pytest.raises(ValueError, match="the page must be a path"):
        view.to_html(None)
