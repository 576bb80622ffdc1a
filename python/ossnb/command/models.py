"""`ossnb download`, `models` and `cache`: what is on this machine."""

from __future__ import annotations

import argparse
import json

from .flags import Command, add_json
from .output import print_result, say

_DOWNLOAD_EXAMPLES = """Its folder is printed. What was downloaded before is kept, also after an interrupt.
HF_HUB_CACHE names the folder of the downloads.

examples:
  ossnb download 20b
  ossnb download https://huggingface.co/openai/gpt-oss-120b
  ossnb download someone/fine-tune --revision v2"""

_MODELS_EXAMPLES = """It looks at the embedded model, the hub's downloads, $OSSNB_MODEL, and FOLDER with its
folders. Models of other families are left out.

examples:
  ossnb models
  ossnb models ~/models --json"""


def _add_download(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="NAME", help="20b, 120b, a hub id, or the address of its page")
    parser.add_argument("--revision", metavar="NAME", help="a branch, a tag or a commit of the hub")


def _download(args: argparse.Namespace) -> int:
    from ..checkpoint.local import n_weight_bytes
    from ..loader import locate
    from ..system.progress import size_text

    found = locate(args.model, args.revision, to_load=False)
    say(f"{found.source} is here, {size_text(n_weight_bytes(found.path))}")
    print_result(str(found.path))
    return 0


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folders", nargs="*", default=["."], metavar="FOLDER", help="where to look for models (default .)"
    )
    add_json(parser, "the list")


def _models(args: argparse.Namespace) -> int:
    from ..checkpoint import local
    from ..checkpoint import packed as derived
    from ..system.progress import size_text

    found = local.models(args.folders)
    if args.json:
        print_result(json.dumps([model.to_dict() for model in found], indent=1))
        return 0
    width = max(len(model.name) for model in found)
    for model in found:
        size = size_text(model.n_bytes) if model.n_bytes else ""
        print_result(f"{model.name:<{width}}  {size:>8}  {model.state}")
    n_packed = len(derived.files())
    copies = "copy" if n_packed == 1 else "copies"
    print_result(
        f"\n{n_packed} packed {copies} of weights, {size_text(derived.used_bytes())}, in {derived.folder()} "
        "(`ossnb cache`)"
    )
    return 0


def _add_cache(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clear", action="store_true", help="remove all of it")


def _cache(args: argparse.Namespace) -> int:
    from ..checkpoint import packed as derived
    from ..documents import store
    from ..system.progress import size_text

    if args.clear:
        print_result(f"{size_text(derived.clear())} removed from {derived.folder()}")
        if n_bytes := store.clear():
            print_result(f"{size_text(n_bytes)} removed from {store.folder()}")
        return 0
    for path in derived.files():
        print_result(f"{size_text(path.stat().st_size):>9}  {path.name}")
    if kept := store.files():
        size = size_text(sum(path.stat().st_size for path in kept))
        print_result(f"{size:>9}  of documents that were read, in {store.folder()}")
    used, allowed = size_text(derived.used_bytes()), size_text(derived.limit())
    print_result(f"{used:>9}  of at most {allowed} in {derived.folder()}")
    return 0


COMMANDS = (
    Command("download", _download, "download a model, without loading it", _add_download, _DOWNLOAD_EXAMPLES),
    Command(
        "models", _models, "list the models on this machine, with their sizes", _add_models, _MODELS_EXAMPLES
    ),
    Command(
        "cache",
        _cache,
        "show what was made on this machine, packed weights and indexes of documents, or remove it",
        _add_cache,
        "They are made again when needed. OSSNB_CACHE names their folder, OSSNB_CACHE_LIMIT its size.",
    ),
)
