"""The line of a `%%oss` cell: its flags, their checks, their help."""

import argparse
import keyword
import re
import shlex
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from ..generation.keywords import renamed_flag
from ..generation.sampling import Sampling
from ..harmony.prompt import EFFORTS
from ..system.text import did_you_mean, shown, suggestion
from ..tools.approval import yes
from ..tools.named import NAMED

MODELS = ("demo", "20b", "120b")
MOST = 12  # answers side by side
SUBCOMMANDS = (
    "again", "code", "defaults", "effort", "fix", "help", "history", "keep", "load", "reset", "restore",
    "show", "status", "verify",
)  # fmt: skip
_EXAMPLES = (
    """examples:
  %%oss                                  ask the default model
  %%oss --effort high --seed 7           think longer; the same seed gives the same text
  %%oss answer << --temperature 0        put the reply into the variable `answer`
  %%oss --chat tutor                     go on with the conversation named tutor
  %%oss --code                           put the answer's code into the next cell
  %%oss --n 4 --seed 1                   write four answers and show them side by side
  %%oss table << --map df                ask for each row of the frame df
  %%oss --tool weather,calculate         let the model call these functions of the notebook
  %%oss --tool python --give df          let the model run Python, with a copy of df
  %%oss --doc report.pdf,notes/,df       let the model read files, folders and tables
  %%oss --schema Row                     hold the answer to this type, JSON schema or list of choices

The prompt is the text below the %%oss line. {{expr}} in it inserts a value of the notebook, and {{{{
writes {{. @name tells of a variable below the text. All other text stays unchanged. With --map, {column}
inserts the row's value, and {{ writes {. The reply is in `_oss`, `_` and Out[n]: str(_oss), _oss.reasoning,
_oss.stats. An interrupt of the kernel stops the model and keeps its text so far. A chat cell that runs
again, edited or not, replaces its turn and drops the later turns. `%oss help` lists the small commands:
"""
    + f"{', '.join(SUBCOMMANDS)}."
)


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag of `%%oss`, for the parser, the help and the completion."""

    name: str
    meaning: str
    kind: Callable[[str], Any] = str
    metavar: str = "TEXT"
    values: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The keyword argument that the flag becomes."""
        return self.name.removeprefix("--").replace("-", "_")


def _unescaped(text: str) -> str:
    return text.replace(r"\n", "\n").replace(r"\t", "\t")


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"needs a whole number, got {text!r}") from None


def _real(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"needs a number, got {text!r}") from None


FLAGS = (
    Flag(
        "--model",
        "the model of this cell: 20b, 120b, a hub id, a folder or demo",
        metavar="SOURCE",
        values=MODELS,
    ),
    Flag(
        "--effort",
        "how long the model thinks: low, medium (default) or high",
        metavar="LEVEL",
        values=EFFORTS,
    ),
    Flag("--instructions", "text that the model should follow (the developer message)"),
    Flag("--temperature", "0 takes the likeliest token (default 1.0)", _real, "N"),
    Flag(
        "--top-p",
        "keep the likeliest tokens that have this probability together (default 1.0: all)",
        _real,
        "N",
    ),
    Flag("--top-k", "keep the k likeliest tokens (default 0: all)", _whole, "N"),
    Flag("--min-p", "drop tokens less likely than this share of the likeliest (default 0.0)", _real, "N"),
    Flag("--max-tokens", "stop after this number of new tokens, thinking included", _whole, "N"),
    Flag(
        "--max-reasoning-tokens",
        "end the thought after this number of tokens and answer; 0 thinks nothing",
        _whole,
        "N",
    ),
    Flag("--seed", "the same seed gives the same text (default: drawn, and shown)", _whole, "N"),
    Flag("--stop", r"end the answer before this text; you may repeat the flag; \n and \t work", _unescaped),
    Flag("--drafts", "guess tokens that stood before, even where that may not pay", metavar=""),
    Flag("--no-drafts", "guess none; the text is the same with and without", metavar=""),
    Flag("--n", "write N answers, with N seeds, and show them side by side", _whole, "N"),
    Flag("--map", "ask for each row of this variable: {column} in the prompt is its value", metavar="NAME"),
    Flag(
        "--tool",
        "functions that the model may call, python (a kernel of its own) or python:here (yours): names, with "
        "commas between; you may repeat the flag",
        metavar="NAMES",
    ),
    Flag("--give", "variables to hand over to python: names, with commas between", metavar="NAMES"),
    Flag("--yes", "run the snippets of python:here without asking, in this cell", metavar=""),
    Flag(
        "--schema",
        "hold the answer to this variable: a type, a JSON schema, choices, a compiled regular expression",
        metavar="NAME",
    ),
    Flag(
        "--doc",
        "files, folders and variables that the model may read, with commas between; you may repeat the flag",
        metavar="NAMES",
    ),
    Flag("--context", "last: tell the model the source and the output of the last cell", values=("last",)),
    Flag("--approve", "ask before each call of a function", metavar=""),
    Flag(
        "--drop-oldest", "leave out the oldest turns of a conversation that outgrew the context", metavar=""
    ),
    Flag(
        "--out", "put the reply into this variable; `NAME <<` before the flags does the same", metavar="NAME"
    ),
    Flag("--chat", "go on with the conversation of this name, or begin it", metavar="NAME"),
    Flag(
        "--code",
        "put the first block of Python of the answer into the next cell, and do not run it",
        metavar="",
    ),
    Flag(
        "--raw", "continue the text itself: without the chat format, and {{expr}} inserts nothing", metavar=""
    ),
)
# What an example gives to a flag.
_OF_A_FLAG = {"--chat": "tutor", "--map": "df", "--schema": "Row", "--doc": "report.pdf", "--tool": "python"}
_OF_A_KIND = {"N": "1", "NAME": "answer", "NAMES": "df", "TEXT": '"some text"'}
# Marks that word processors put in the place of those that are typed, and what is meant.
_TYPED = {
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"),
    **dict.fromkeys("\u2014\u2015", "--"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb", '"'),
    **dict.fromkeys("\u2018\u2019\u201a\u201b", "'"),
}
_SPACES = "\u00a0\u2007\u202f\u3000"  # that do not break a line
_INSERTED = re.compile(r"\{\{.*?\}\}")
_CHATTY = {
    *("chat", "effort", "instructions", "tool", "give", "yes", "approve", "drop_oldest", "schema"),
    *("doc", "context"),
}
_SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "max_tokens",
    "max_reasoning_tokens",
    "seed",
    "stop",
    "drafts",
)


@dataclass(frozen=True, slots=True)
class CellOptions:
    """The options on the line of a cell; `settings` are its keyword arguments for `model.stream`."""

    settings: Mapping[str, Any]
    model: str | None = None
    chat: str | None = None
    out: str | None = None
    raw: bool = False
    code: bool = False
    n: int | None = None
    map: str | None = None
    tools: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    schema: str | None = None
    docs: tuple[str, ...] = ()
    context: str | None = None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        if missing := re.fullmatch(r"argument (--[\w-]+).*: expected one argument", message):
            flag = next(flag for flag in FLAGS if flag.name == missing[1])
            example = flag.values[0] if flag.values else _OF_A_FLAG.get(flag.name, _OF_A_KIND[flag.metavar])
            raise ValueError(f"{flag.name} needs a value, as in {flag.name} {example}")
        raise ValueError(message.removeprefix("argument "))


def _parser() -> _Parser:
    parser = _Parser(
        prog="%%oss [NAME <<]",
        usage="%%%%oss [NAME <<] [flags]\n  the prompt, on as many lines as it takes",
        add_help=False,
        allow_abbrev=False,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser._optionals.title = "flags"
    for flag in FLAGS:
        if not flag.metavar:
            parser.add_argument(flag.name, action="store_true", help=flag.meaning)
        else:
            parser.add_argument(
                flag.name,
                *(["--tools"] if flag.name == "--tool" else []),
                action="append" if flag.name in ("--stop", "--tool", "--give", "--doc") else "store",
                type=flag.kind,
                metavar=flag.metavar,
                help=flag.meaning,
            )
    parser.add_argument("-h", "--help", action="store_true", help="show this help")
    return parser


def cell_help() -> str:
    """Return the help of `%%oss`."""
    return _parser().format_help().replace("usage: ", "", 1)


def wants_help(line: str) -> bool:
    """Whether the line asks for help, whatever else is wrong with it."""
    try:
        words = _words(line)
    except ValueError:  # an open quote
        words = line.split()
    return not {"-h", "--help"}.isdisjoint(words)


def parse_cell_line(line: str, insert: Callable[[str], str] = str) -> CellOptions:
    """Read the line of a cell; `insert` fills `{{expr}}` in each word. A ValueError names the fault.

    >>> parse_cell_line("answer << --effort low --seed 7").settings
    {'effort': 'low', 'seed': 7}
    """
    name, line = _assigned_name(line)
    check_typing(line)
    found, unknown = _parser().parse_known_args([insert(word) for word in split_words(line)])
    if unknown:
        raise ValueError(_unknown_word(unknown[0]))
    given = {key: value for key, value in vars(found).items() if value is not None and value is not False}
    if given.pop("no_drafts", False):
        if "drafts" in given:
            raise ValueError("--drafts and --no-drafts exclude each other; give one")
        given["drafts"] = False
    if name and "out" in given:
        raise ValueError(f"the reply has two names: `{name} <<` and --out {given['out']}; give one")
    if out := given.get("out", name):
        _check_name(out)
    _check_effort(given.get("effort"))
    _check_raw("raw" in given, given)
    _check_several(given)
    Sampling(**{key: given[key] for key in _SAMPLING if key in given})
    tools = _tool_names(given)
    settings = {key: given[key] for key in ("effort", "instructions", *_SAMPLING) if key in given}
    if "approve" in given:
        settings["approve"] = "ask"
    if "yes" in given:
        settings["approve"] = yes
    if "drop_oldest" in given:
        settings["overflow"] = "drop_oldest"
    if (context := given.get("context")) not in (None, "last"):
        raise ValueError(f"--context takes last, the cell that ran last, got {context!r}")
    names = ("model", "chat", "raw", "code", "n", "map", "schema", "context")
    flags = {key: given[key] for key in names if key in given}
    docs = tuple(given.get("doc", ()))
    return CellOptions(settings, out=out, tools=tools, given=_given_names(given, tools), docs=docs, **flags)


def check_typing(line: str) -> None:
    """Raise a ValueError that names a typographic dash, quote or space where a typed one is meant.

    >>> check_typing('--stop "–" --instructions "he said “no”"')

    Inside of quotes and of words they are text.
    """
    outside = re.sub(r""""(?:[^"\\]|\\.)*"|'[^']*'""", "x", _INSERTED.sub("x", line))
    if found := re.search(rf"(?<![^\s=])[{''.join(_TYPED)}](?=(\w*))|[{_SPACES}]", outside):
        mark = found[0]
        meant = "--" if _TYPED.get(mark) == "-" and found[1][:1].isalpha() else _TYPED.get(mark, " ")
        name = unicodedata.name(mark).lower()
        raise ValueError(f"{mark!r} is a typographic mark ({name}): type {meant!r}, or put it in quotes")


def split_words(line: str) -> list[str]:
    """Split the words of a line; a ValueError says how to write what cannot be split.

    >>> split_words('--instructions "Be brief." {{n + 1}}')
    ['--instructions', 'Be brief.', '{{n + 1}}']
    """
    try:
        return _words(line)
    except ValueError as error:
        advice = 'put text with spaces or apostrophes in "double quotes"'
        raise ValueError(f"{error} in {shown(line)!r}: {advice}") from None


def _words(line: str) -> list[str]:
    """Split a line as a shell does; `{{expr}}` stays as it is, with its spaces and quotes."""
    expressions, words = iter(_INSERTED.findall(line)), shlex.split(_INSERTED.sub("\0", line))
    return [re.sub("\0", lambda _: next(expressions), word) for word in words]


def again_options(first: CellOptions, line: str, insert: Callable[[str], str] = str) -> CellOptions:
    """Return the options for asking a question again, changed by those of `line`; the seed is not kept.

    >>> again_options(CellOptions({"seed": 7, "effort": "low"}), "--temperature 0.5").settings
    {'effort': 'low', 'temperature': 0.5}
    """
    more = parse_cell_line(line, insert)
    if more.chat is not None or more.raw:
        raise ValueError(
            "%oss again asks where the question was asked first: it takes no --chat and no --raw"
        )
    if more.context is not None:
        raise ValueError("%oss again asks the same words, and --context would add to them")
    if first.chat is not None and "instructions" in more.settings:
        raise ValueError(f"the chat {first.chat!r} keeps its instructions; `%oss reset {first.chat}` ends it")
    kept = {key: value for key, value in first.settings.items() if key != "seed"}
    settings = {**kept, **more.settings}
    both = CellOptions(
        settings,
        more.model or first.model,
        first.chat,
        more.out,
        first.raw,
        more.code,
        n=more.n or first.n,
        map=more.map or first.map,
        tools=more.tools or first.tools,
        given=more.given or first.given,
        schema=more.schema or first.schema,
        docs=more.docs or first.docs,
    )
    flags = _flags(both)
    _check_raw(both.raw, flags)
    _check_several(flags)
    return both


def _flags(options: CellOptions) -> dict[str, Any]:
    """The flags that options stand for, as `_check_raw` and `_check_several` know them."""
    given = {**options.settings, "tool": options.tools, "give": options.given, "doc": options.docs}
    given |= {
        name: getattr(options, name) for name in ("chat", "raw", "code", "n", "map", "schema", "context")
    }
    given["drop_oldest"] = given.pop("overflow", None)
    if "approve" in given and given["approve"] != "ask":
        given["yes"] = given.pop("approve")
    return {name: value for name, value in given.items() if value not in (None, False, ())}


def _check_raw(raw: bool, given: Mapping[str, Any]) -> None:
    if raw and (chatty := _CHATTY & given.keys()):
        flag = min(chatty).replace("_", "-")
        raise ValueError(f"--raw continues plain text, which has no --{flag}")


def _check_several(given: Mapping[str, Any]) -> None:
    if not (several := sorted({"n", "map"} & given.keys())):
        return
    if len(several) == 2:
        raise ValueError("--map asks once for each row, and --n several times; give one of them")
    if "map" in given and "context" in given:
        raise ValueError("--context tells of a cell below the prompt, and --map asks with the rows alone")
    if single := {"chat", "raw", "code"} & given.keys():
        raise ValueError(f"--{several[0]} writes several answers, and --{min(single)} takes one")
    if "n" in given and not 1 <= given["n"] <= MOST:
        raise ValueError(f"--n must be in 1..{MOST}, got {given['n']}")


def _tool_names(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names that --tool gives; a function's may have dots."""
    names = _names(given, "tool")
    for name in names:
        if name not in NAMED and not all(map(_is_name, name.split("."))):
            raise ValueError(
                f"--tool takes {', '.join(NAMED)} and names of functions, with commas between, "
                f"got {name!r}{did_you_mean(name, NAMED)}"
            )
    if set(NAMED) <= set(names):
        raise ValueError("--tool takes python, in a kernel of its own, or python:here, in yours; give one")
    if "approve" in given and not names:
        raise ValueError("--approve asks before calls of functions, and --tool names none")
    if "yes" in given and "python:here" not in names:
        raise ValueError("--yes answers for the snippets of python:here, and --tool does not name it")
    if {"approve", "yes"} <= given.keys():
        raise ValueError("--yes runs snippets without asking, and --approve asks; give one of them")
    return names


def _given_names(given: Mapping[str, Any], tools: tuple[str, ...]) -> tuple[str, ...]:
    names = _names(given, "give")
    if wrong := next((name for name in names if not _is_name(name)), None):
        raise ValueError(f"--give takes names of variables, with commas between, got {wrong!r}")
    if names and "python:here" in tools:
        raise ValueError("--give hands copies over to another kernel, and python:here has the variables")
    if names and not tools:
        raise ValueError("--give hands variables over to python, and --tool does not name it")
    return names


def _names(given: Mapping[str, Any], flag: str) -> tuple[str, ...]:
    names = tuple(name for text in given.get(flag, ()) for name in re.split(r"[,\s]+", text) if name)
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"--{flag} names {twice!r} twice")
    return names


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def _assigned_name(line: str) -> tuple[str | None, str]:
    """Split `NAME << rest`."""
    assigned = re.match(r"\s*([^\s<\"'-][^\s<]*)\s*<<(?:\s+|$)", line)
    return (assigned[1], line[assigned.end() :]) if assigned else (None, line)


def _check_name(name: str) -> None:
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(f"{name!r} cannot name a variable; use letters, digits and _, as in `answer <<`")


def _check_effort(effort: str | None) -> None:
    if effort is not None and effort not in EFFORTS:
        raise ValueError(
            f"--effort is one of {', '.join(EFFORTS)}, got {effort!r}{did_you_mean(effort, EFFORTS)}"
        )


def _unknown_word(word: str) -> str:
    if word.startswith("#"):
        return "unexpected '#': the %%oss line takes no comment; write it on a line above"
    if not word.startswith("-"):
        return f"unexpected {word!r}: the prompt goes on the lines below %%oss, the flags beside it"
    flag, known = word.partition("=")[0], [known.name for known in FLAGS]
    if ours := renamed_flag(flag, known):
        return f"unknown flag {flag}: here it is {ours}"
    return f"unknown flag {word}{suggestion(flag, known, 'flags')}"
