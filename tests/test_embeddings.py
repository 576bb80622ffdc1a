"""Passages found by their meaning: a folder of static embeddings, fused with the words; and bad folders."""

from __future__ import annotations

import json
import pickle
import socket
import sys
import threading

import numpy as np
import pytest
from model2vec import StaticModel
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace

import ossnb
from ossnb import CheckpointError, Documents
from ossnb.documents import index

# Words of one meaning have one direction: vehicles, food, weather. The rest is unknown.
MEANINGS = {
    "vehicle": ["car", "automobile", "lorry", "van"],
    "food": ["bread", "loaf", "cheese", "meal"],
    "weather": ["rain", "storm", "cloud", "drizzle"],
}
CARS = {"notes": "The automobile is red.", "menu": "Cheese and a loaf.", "sky": "A cloud, and drizzle."}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("OSSNB_CACHE", str(folder))
    return folder / "documents"


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_):
        pytest.fail("it went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def words_and_vectors(n_dims=8):
    draw = np.random.default_rng(1)
    words, rows = ["[UNK]"], [np.zeros(n_dims)]
    for n, some in enumerate(MEANINGS.values()):
        words += some
        rows += [np.eye(n_dims)[n] + draw.normal(0, 0.05, n_dims) for _ in some]
    tokenizer = Tokenizer(WordLevel({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = Lowercase(), Whitespace()
    return tokenizer, np.array(rows, np.float32)


@pytest.fixture
def folder(tmp_path):
    tokenizer, vectors = words_and_vectors()
    StaticModel(vectors, tokenizer).save_pretrained(tmp_path / "vectors")
    return tmp_path / "vectors"


def names(docs, query):
    return [name for name, _, _ in docs.search(query)]


def test_a_passage_is_found_by_its_meaning(folder):
    assert names(Documents(CARS), "lorry") == []
    docs = Documents(CARS, embeddings=folder)
    assert names(docs, "lorry")[0] == "notes"
    assert names(docs, "meal bread")[0] == "menu"
    assert names(docs, "storm")[0] == "sky"
    assert names(docs, "unheard of") == [], "a query of unknown words has no direction"


def test_words_and_meaning_are_fused(folder):
    texts = {
        "word": "zebra is the word",
        "meaning": "A van.",
        "both": "zebra in an automobile",
        "none": "bread",
    }
    docs = Documents(texts, embeddings=folder)
    assert names(docs, "zebra lorry")[0] == "both"
    assert set(names(docs, "zebra lorry")[:3]) == {"word", "meaning", "both"}
    found = docs.index().search("zebra lorry", 10)
    assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)


def test_the_models_browser_searches_by_meaning(folder):
    browser = Documents(CARS, embeddings=folder, whole=0).browser(4096)
    assert "【0†" in browser.call("search", {"query": "lorry"}).text
    assert "notes】 line 1: The automobile is red." in browser.call("search", {"query": "lorry"}).text


def test_a_folder_of_sentence_transformers_is_read(tmp_path, folder):
    tokenizer, vectors = words_and_vectors()
    other = tmp_path / "st"
    (other / "0_StaticEmbedding").mkdir(parents=True)
    (other / "config_sentence_transformers.json").write_text("{}")
    tokenizer.save(str(other / "0_StaticEmbedding/tokenizer.json"))
    save_file({"embedding.weight": vectors}, other / "0_StaticEmbedding/model.safetensors")
    assert names(Documents(CARS, embeddings=str(other)), "lorry") == names(
        Documents(CARS, embeddings=folder), "lorry"
    )


def test_vectors_are_made_once_for_a_content_and_a_folder(folder, cache, tmp_path):
    texts = {name: f"{text} Kept." for name, text in CARS.items()}
    Documents(texts, embeddings=folder).search("lorry")
    made = {path.name: path.stat().st_ino for path in cache.glob("*.vectors.kept")}
    assert len(made) == 3
    more = Documents({**texts, "menu": "Bread."}, embeddings=folder)
    assert names(more, "meal")[0] == "menu"
    now = {path.name: path.stat().st_ino for path in cache.glob("*.vectors.kept")}
    assert len(now) == 4
    assert {name: now[name] for name in made} == made, "only the text that changed was read anew"
    tokenizer, vectors = words_and_vectors()
    StaticModel(-vectors, tokenizer).save_pretrained(tmp_path / "other")
    Documents(texts, embeddings=tmp_path / "other").search("lorry")
    assert len([*cache.glob("*.vectors.kept")]) == 7


@pytest.mark.parametrize("damage", [b"", b"x" * 100, "array", "nan", "object"])
def test_damaged_vectors_are_made_anew(folder, cache, damage):
    docs = Documents(CARS, embeddings=folder)
    right = docs.search("lorry")
    for path in cache.glob("*.vectors.kept"):
        if isinstance(damage, bytes):
            path.write_bytes(damage)
        else:
            array = {
                "array": np.zeros((9, 3), np.float16),
                "nan": np.full((1, 8), np.nan, np.float16),
                "object": np.array([[{}] * 8]),
            }[damage]
            import io

            from ossnb.documents import store

            file = io.BytesIO()
            np.save(file, array, allow_pickle=True)
            assert store.put(path.name, file.getvalue())
    again = Documents({**CARS, "z": "zz"}, embeddings=folder)  # so that no index of this process is taken
    assert again.search("lorry")[0] == right[0]


def test_a_long_text_is_read_in_parts_and_tells_how_far_it_is(folder, monkeypatch):
    monkeypatch.setattr(index, "TELL_FROM_CHARS", 20)
    told = []

    class Line:
        def __init__(self, text, total):
            told.append(text)

        def update(self, done):
            pass

        def close(self):
            told.append("closed")

    monkeypatch.setattr(index, "start_progress", Line)
    text = "\n".join(["# A part", *["bread " * 20] * 30] * 400 + ["# Last", "a lorry"])
    docs = Documents({"long": text}, embeddings=folder)
    assert docs.search("automobile", 1)[0][2].endswith("a lorry")
    assert told == [
        "making the index of 1 document, once",
        "closed",
        "making the vectors of 1 document, once",
        "closed",
    ]


def test_documents_bring_their_settings_along(folder, tmp_path):
    docs = Documents(CARS, embeddings=folder, whole=0)
    for more in (Documents(docs), Documents([docs, {"x": "y"}])):
        assert names(more, "lorry")[0] == "notes"
        assert more.whole == 0
    assert Documents([docs], whole=7).whole == 7
    assert docs != Documents(CARS, whole=0)
    assert docs == Documents(CARS, embeddings=folder, whole=0)
    again = pickle.loads(pickle.dumps(docs))
    assert again == docs
    assert names(again, "lorry") == names(docs, "lorry")
    tokenizer, vectors = words_and_vectors()
    StaticModel(-vectors, tokenizer).save_pretrained(tmp_path / "other")
    other = Documents({"x": "y"}, embeddings=tmp_path / "other")
    with pytest.raises(
        ValueError, match=r"the Documents in docs have different embeddings .*say which holds"
    ):
        Documents([docs, other])
    with pytest.raises(ValueError, match=r"different whole \(0, 5\); say which holds"):
        Documents([docs, Documents({"x": "y"}, whole=5)])


def test_an_answer_is_asked_with_them(folder):
    docs = Documents(CARS, embeddings=folder, whole=0)
    reply = ossnb.load("demo").generate("What is 17 + 25?", docs=docs, temperature=0, max_tokens=100)
    assert reply.finish_reason in ("stop", "length")


def test_threads_share_a_folder(folder):
    docs = Documents({f"d{n}": "bread" if n else "a van" for n in range(20)}, embeddings=folder)
    found, errors = [], []

    def search():
        try:
            found.append(names(docs, "lorry")[0])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=search) for _ in range(12)]
    [thread.start() for thread in threads]
    [thread.join(20) for thread in threads]
    assert (errors, found) == ([], ["d0"] * 12)


# ---- bad folders -------------------------------------------------------------------------------------------


def fails(folder, *parts, error=CheckpointError):
    with pytest.raises(error) as raised:
        Documents(CARS, embeddings=folder)
    for part in ("embeddings", *parts):
        assert part in str(raised.value)


def test_a_folder_that_is_not_there_is_told_and_not_downloaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fails(
        "minishlab/potion-base-8M", "there is no folder 'minishlab/potion-base-8M'", "hf download", "nothing"
    )
    (tmp_path / "file").write_text("x")
    fails("file", "'file' is a file; expected is a folder of static embeddings")
    fails(7, "must be the folder of a model, got 7", error=ValueError)
    fails("", "must be the folder of a model, got ''", error=ValueError)


def test_a_folder_of_another_kind_is_told(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    fails(tmp_path / "empty", "has no tokenizer.json and no model.safetensors, it has nothing; expected is")
    (folder / "model.safetensors").rename(folder / "model.bin")
    fails(folder, "has no model.safetensors, it has", "model.bin")
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    fails(folder, "has a model of the type 'bert'; expected is a folder of static embeddings", "distill")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.safetensors", b"no tensors"),
        ("model.safetensors", b""),
        ("tokenizer.json", b"{"),
        ("config.json", b"[" * 100_000),
        ("config.json", b"3"),
        ("README.md", b"---\nx: [\n---\n"),
    ],
)
def test_a_damaged_file_is_told(folder, name, content):
    (folder / name).write_bytes(content)
    fails(folder, str(folder), "cannot be used (", "Download or make it again")


@pytest.mark.parametrize(
    ("tensors", "why"),
    [
        ({"weights": np.ones(3, np.float32)}, "embeddings"),
        ({"embeddings": np.ones((3, 8), np.float32)}, "does not match number of vectors"),
        ({"embeddings": np.full((13, 8), np.nan, np.float32)}, "a vector is not finite"),
    ],
)
def test_tensors_that_do_not_fit_are_told(folder, tensors, why):
    save_file(tensors, folder / "model.safetensors")
    fails(folder, "cannot be used (", why)


def test_without_the_library_the_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "model2vec", None)
    fails(folder, 'pip install "ossnb[embeddings]"', error=ImportError)
