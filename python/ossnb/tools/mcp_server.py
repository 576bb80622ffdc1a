"""The tools of an MCP server, as tools that a model may call. All that a server says is untrusted text."""

from __future__ import annotations

import base64
import binascii
import concurrent.futures
import functools
import importlib
import ipaddress
import json
import os
import re
import shlex
import urllib.parse
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn, Self

from ..harmony.messages import ToolCall
from ..harmony.prompt import read_tool, render
from ..system.arguments import number
from ..system.notices import tell
from ..system.text import counted, shown, shown_value
from .address import at_address
from .outcome import cut
from .program import program
from .servers import Connection
from .signature import BadArguments
from .tool import Result, Tool, Toolbox

START_S = 30.0
MOST_TOLD = 1000  # characters of a description
MOST_SCHEMA = 20_000  # characters of a tool's schema
MOST_PICTURE = 20 << 20  # bytes
MOST_NAME = 64  # characters

_ODD = re.compile(r"[^A-Za-z0-9_-]+")


class ServerTool(Tool):
    """One tool of a server; the model knows it by the server's name and its own."""

    def __init__(self, connection: Connection, name: str, own_name: str, definition: dict[str, Any]) -> None:
        self.name, self.own_name = name, own_name
        self.definition = definition
        self.server: Server | None = None  # which lives as long as its tools
        self._connection = connection

    def bind(self, call: ToolCall) -> Callable[[], Any]:
        """Return the call; BadArguments where the arguments are no JSON object."""
        arguments = call.arguments if call.raw.strip() else {}
        if not isinstance(arguments, dict):
            raise BadArguments(f"they must be a JSON object, got {shown(call.raw)}")
        return _Call(self._connection, self.own_name, arguments)

    def __reduce__(self) -> NoReturn:
        raise TypeError("the tools of a server cannot be pickled; give the server again where they are used")

    def __repr__(self) -> str:
        return f"ServerTool({self.name!r})"


class _Call:
    """A call of a server's tool; `stop` ends it, and the server hears of it."""

    def __init__(self, connection: Connection, name: str, arguments: dict[str, Any]) -> None:
        self._connection = connection
        self._name, self._arguments = name, arguments
        self._work: concurrent.futures.Future[Any] | None = None
        self._why = ""

    def __call__(self) -> Result:
        try:
            self._work = self._connection.begin(self._name, self._arguments)
            if self._why:
                self._work.cancel()
            return as_result(self._work.result())
        except concurrent.futures.CancelledError:
            return _failed(self._why or "the call was cancelled")
        except ValueError as error:  # it could not be started
            return _failed(str(error))
        except Exception as error:
            return _failed(self._connection.lost(error))

    def stop(self, why: str) -> None:
        """End the call."""
        self._why = why
        if self._work is not None:
            self._work.cancel()


def _failed(why: str) -> Result:
    return Result(f"error: {why}", error=why)


def as_result(result: Any) -> Result:
    """Return what a server answered as a Result: its texts, and what else there is in words.

    >>> from types import SimpleNamespace as Answer
    >>> text = Answer(type="text", text="sunny")
    >>> as_result(Answer(content=[text], is_error=False, structured_content=None)).text
    'sunny'
    """
    parts, pictures = list[str](), list[bytes]()
    for item in result.content or ():
        text, picture = _told(item)
        parts.append(text)
        pictures += [] if picture is None else [picture]
    if not parts and result.structured_content is not None:
        parts.append(json.dumps(result.structured_content, ensure_ascii=False))
    text = "\n".join(parts) or "done; the tool returns nothing"
    error = (cut(text, 500).text or "the tool failed") if result.is_error else None
    return Result(text, pictures=tuple(pictures), error=error)


def _told(item: Any) -> tuple[str, bytes | None]:
    """Return a part of an answer in words, and the picture that it is, where it is a PNG file."""
    if item.type == "text":
        return item.text, None
    if item.type in ("image", "audio"):
        n_bytes = len(item.data) * 3 // 4
        what = f"{shown(item.mime_type)}, {n_bytes:,} bytes"
        if item.type == "image" and n_bytes <= MOST_PICTURE and (picture := _png(item.data)) is not None:
            width, height = (int.from_bytes(picture[at : at + 4], "big") for at in (16, 20))
            return f"[{shown(item.mime_type)} {width}x{height} shown to the user]", picture
        return f"[{what}, not shown]", None
    if item.type == "resource":
        text = getattr(item.resource, "text", None)
        where = shown(str(item.resource.uri), 200)
        return (f"[{where}]\n{text}" if isinstance(text, str) else f"[{where}: bytes, not shown]"), None
    if item.type == "resource_link":
        return f"[{shown(str(item.name))}: {shown(str(item.uri), 200)}]", None
    return f"[{shown(str(item.type))}, not shown]", None


def _png(data: str) -> bytes | None:
    try:
        raw = base64.b64decode(data, validate=True)
    except (ValueError, binascii.Error):
        return None
    return raw if raw[:8] == b"\x89PNG\r\n\x1a\n" and raw[12:16] == b"IHDR" and len(raw) > 24 else None


class Server(Toolbox):
    """An MCP server and its tools, for `tools=[...]`; `mcp` makes one.

    `tools` are its tools by name, `n_tokens` is what they cost in each prompt, `left_out` says why others are
    not among them. `close()` ends the server, as the end of a `with` and of the process do. A call after that
    starts it again.
    """

    def __init__(self, connection: Connection, tools: Sequence[ServerTool], left_out: Sequence[str]) -> None:
        self.name = connection.name
        self.left_out = tuple(left_out)
        self._connection = connection
        self._tools = tuple(tools)
        for tool in tools:
            tool.server = self

    @property
    def tools(self) -> Sequence[Tool]:
        """The tools, in the order of their names."""
        return self._tools

    @functools.cached_property
    def n_tokens(self) -> int:
        """How many tokens of each prompt tell of the tools."""
        return len(render([], tools=[tool.definition for tool in self._tools])) - len(render([]))

    def close(self) -> None:
        """End the server."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __del__(self) -> None:
        if (connection := getattr(self, "_connection", None)) is not None:
            connection.forgotten()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a server cannot be pickled; name it again where it is used: ossnb.mcp(...)")

    def __repr__(self) -> str:
        names = ", ".join(tool.name for tool in self._tools)
        return f"Server({self.name!r}, {counted(len(self._tools), 'tool')}: {shown(names, 200)})"


def mcp(
    server: str | Sequence[str],
    *,
    only: Iterable[str] | None = None,
    name: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    timeout: float = START_S,
    any_address: bool = False,
) -> Server:
    """Start an MCP server, or connect to one, and return its tools for `tools=[...]`.

    >>> weather = ossnb.mcp("python weather.py", only=["forecast"])  # starts a program  # doctest: +SKIP
    >>> reply = model.generate("Rain in Rome?", tools=[weather])  # calls it  # doctest: +SKIP

    `server` is a command, as one text or as a list of words, or an address such as "http://127.0.0.1:8000/mcp".
    Addresses of other machines need `any_address=True`. `only` names the tools to take; a line says how many
    tokens they cost in each prompt. `name` stands before the tools' names. A program gets PATH, HOME and what
    `env` has of the environment, and no more. `timeout` is the time to start in seconds; that of a call is
    generate's. Raises ValueError where there is no server or no such tool, ImportError without the package
    mcp.
    """
    library = _library()
    number("timeout", timeout, "a number of seconds > 0", lambda x: x > 0)
    words, address = _program_or_address(server, any_address=any_address)
    if address is not None and (env is not None or cwd is not None):
        raise ValueError("env and cwd are for a program that is started, and the server is an address")
    wanted = None if only is None else _names(only)
    given = _environment(env)

    def connect(log: Any) -> Any:
        if address is not None:
            host = urllib.parse.urlsplit(address).hostname or ""
            return at_address(library, address, is_here=_is_here(host))
        place = None if cwd is None else os.fspath(cwd)
        return library.Client(program(words, given, place, log))

    prefix = _prefix(name, words, address)
    connection = Connection(prefix, connect, timeout)
    try:
        tools, left_out = _tools(connection, connection.start(), wanted)
    except BaseException:
        connection.close()
        raise
    found = Server(connection, tools, left_out)
    told = f"{prefix}: {counted(len(tools), 'tool')}, {counted(found.n_tokens, 'token')} in each prompt"
    tell("; ".join([told if wanted else f"{told} (only=[...] takes fewer)", *left_out]))
    return found


def _library() -> Any:
    try:
        found = importlib.import_module("mcp")
        _ = found.Client
    except (ImportError, AttributeError):
        raise ImportError(
            'ossnb.mcp needs the package mcp, of version 2, which is not installed: pip install "ossnb[mcp]"'
        ) from None
    return found


def _program_or_address(server: Any, *, any_address: bool) -> tuple[list[str], str | None]:
    if isinstance(server, str) and re.match(r"https?://", server, re.IGNORECASE):
        host = urllib.parse.urlsplit(server).hostname or ""
        if not any_address and not _is_here(host):
            raise ValueError(
                f"server: the address is of another machine, {shown(host)}, which would see what the model "
                "sends; any_address=True allows it"
            )
        return [], server
    try:
        words = shlex.split(server) if isinstance(server, str) else [os.fspath(word) for word in server]
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"server must be a command or an address, got {shown_value(server)} ({error})"
        ) from None
    if not words or not all(isinstance(word, str) and "\0" not in word for word in words):
        raise ValueError(f"server must be a command or an address, got {shown_value(server)}")
    return words, None


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _environment(env: Any) -> dict[str, str]:
    if env is None:
        return {}
    if not isinstance(env, Mapping) or not all(
        isinstance(k, str) and isinstance(v, str) for k, v in env.items()
    ):
        raise ValueError("env must map names of variables to texts")
    return dict(env)


def _names(only: Any) -> list[str]:
    if isinstance(only, str | bytes) or not isinstance(only, Iterable):
        raise ValueError(f"only must be a list of names of tools, got {shown_value(only)}")
    return [str(name) for name in only]


def _prefix(name: Any, words: Sequence[str], address: str | None) -> str:
    """The name before those of the tools: the one given, or what the program or the address suggests."""
    if name is not None:
        if not isinstance(name, str) or _ODD.search(name) or not name or len(name) > MOST_NAME:
            raise ValueError(f"name must be letters, digits, _ and -, got {shown_value(name)}")
        return name
    if address is not None:
        return _ODD.sub("_", urllib.parse.urlsplit(address).hostname or "server").strip("_") or "server"
    scripts = [word for word in words[1:] if not word.startswith("-")]
    stem = os.path.splitext(os.path.basename((scripts or words)[0]))[0]
    return _ODD.sub("_", stem).strip("_")[:MOST_NAME] or "server"


def _tools(
    connection: Connection, listed: Sequence[Any], wanted: Sequence[str] | None
) -> tuple[list[ServerTool], list[str]]:
    """Return the tools that a server lists, and why others are left out."""
    names = sorted(str(tool.name) for tool in listed)
    if wanted is not None and (missing := [name for name in wanted if name not in names]):
        raise ValueError(
            f"only: the server {connection.name!r} has no tool {shown_value(missing[0])}; it has: "
            f"{shown(', '.join(names), 500)}"
        )
    found: dict[str, ServerTool] = {}
    left_out: list[str] = []
    for tool in sorted(listed, key=lambda one: str(one.name)):
        if wanted is not None and tool.name not in wanted:
            continue
        name = f"{connection.name}_{_ODD.sub('_', str(tool.name))}"[:MOST_NAME]
        try:
            if name in found:
                raise ValueError("another tool has its name")
            found[name] = ServerTool(connection, name, str(tool.name), _definition(name, tool))
        except ValueError as error:
            left_out.append(f"{shown(str(tool.name))} is left out: {shown(str(error), 200)}")
    if not found:
        raise ValueError(
            f"the server {connection.name!r} has no tools: {'; '.join(left_out) or 'its list is empty'}"
        )
    return list(found.values()), left_out


def _definition(name: str, tool: Any) -> dict[str, Any]:
    schema = _bounded(tool.input_schema if isinstance(tool.input_schema, dict) else {"type": "object"})
    if len(json.dumps(schema)) > MOST_SCHEMA:
        raise ValueError(f"its schema has more than {MOST_SCHEMA:,} characters")
    definition = {"name": name, "description": _bounded(tool.description or ""), "parameters": schema}
    if not schema.get("properties"):
        del definition["parameters"]
    read_tool(definition)
    return {"type": "function", "function": definition}


def _bounded(value: Any) -> Any:
    """Return a part of a schema with its texts cut, and without control characters."""
    if isinstance(value, str):
        text = cut(value, len(value)).text
        return text if len(text) <= MOST_TOLD else f"{text[:MOST_TOLD]}…"
    if isinstance(value, list):
        return [_bounded(item) for item in value]
    if isinstance(value, dict):
        return {_bounded(str(key)): _bounded(item) for key, item in value.items()}
    return value
