"""Tab completion of `%%oss` flags and `%oss` subcommands, in the first line only, never inside a prompt."""

import re
from collections.abc import Callable, Iterable
from typing import Any

from ..harmony.prompt import EFFORTS
from .commands import LOAD_FLAGS
from .first_line import without_head
from .mentions import begun_name
from .options import FLAGS, MODELS, SUBCOMMANDS


def candidates(line: str, names: Callable[[str], Iterable[str]]) -> tuple[str, list[str]] | None:
    """Return (the fragment before the cursor, its possible replacements); None for a line that is not ours.

    >>> candidates("%%oss --effort l", lambda flag: ())
    ('l', ['low'])

    `line` ends at the cursor; `names` gives further values for a flag, e.g. the open chats for "--chat".
    """
    magic = re.match(r"\s*(%%?)oss\s", line)
    if magic is None:
        return None
    before, fragment = re.fullmatch(r"(.*?)([^\s=]*)", line[magic.end() :], re.DOTALL).groups()  # type: ignore[union-attr]
    words = before.replace("=", " ").split()
    previous = words[-1] if words else ""
    if magic[1] == "%" and words[:1] not in (["again"], ["fix"]):
        options = _line_options(words, names)
    elif flag := next((flag for flag in FLAGS if flag.name == previous and flag.metavar), None):
        options = [*flag.values, *names(flag.name)]
    else:
        options = [flag.name for flag in FLAGS] + ["--help"]
    return fragment, [option for option in dict.fromkeys(options) if option.startswith(fragment)]


def _line_options(words: list[str], names: Callable[[str], Iterable[str]]) -> list[str]:
    match words:
        case []:
            return list(SUBCOMMANDS)
        case ["load"]:
            return [*MODELS, *names("--model")]
        case ["load", *_, "--precision"]:
            return ["exact", "fast"]
        case ["load", *_, "--device"]:
            return ["auto", "cpu", "cuda"]
        case ["load", *_, "--kv"]:
            return ["float32", "bf16", "int8"]
        case ["load", *_]:
            return list(LOAD_FLAGS)
        case ["effort"]:
            return list(EFFORTS)
        case ["history"] | ["reset", *_]:
            return list(names("--chat"))
    return []


def make_matcher(names: Callable[[str], Iterable[str]]) -> Callable[..., Any]:
    """Make the matcher that IPython's completer calls."""
    from IPython.core.completer import SimpleCompletion, context_matcher

    @context_matcher()  # type: ignore[untyped-decorator]
    def oss_matcher(context: Any) -> dict[str, Any]:
        above = without_head(context.full_text.split("\n")[: context.cursor_line])
        line = context.text_until_cursor
        found = candidates(line, names) if not above or not line.lstrip().startswith("%%") else None
        if above and re.match(r"\s*%%oss(\s|$)", above[0]) and (begun := begun_name(line)) is not None:
            found = begun, sorted(name for name in names("@") if name.startswith(begun))
        if not found:
            return {"completions": []}
        fragment, options = found
        completions = [SimpleCompletion(text=option, type="param") for option in options]
        return {"completions": completions, "matched_fragment": fragment, "suppress": True}

    matcher: Callable[..., Any] = oss_matcher
    return matcher
