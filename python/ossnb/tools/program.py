"""A server as a program of its own: one JSON message a line, over its standard input and output.

The package mcp has such a transport, too. It adds each piece of a long line to all that came before, so an
answer of 50 MB keeps Python busy for a minute. Here a line costs what it is long, and has a limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

MOST_LINE = 128 << 20  # bytes of one message
GRACE_S = 2.0  # from the end of a server's input to a signal, and from that to the next


@contextlib.asynccontextmanager
async def program(
    words: Sequence[str], env: Mapping[str, str], cwd: str | None, log: Any
) -> AsyncIterator[tuple[Any, Any]]:
    """Start a program; give the streams of its messages as the package mcp wants them; end it.

    Its environment is the package's few variables (PATH, HOME, ...) and `env`. It has a session of its own,
    so an interrupt of the notebook does not reach it.
    """
    anyio: Any = importlib.import_module("anyio")
    stdio: Any = importlib.import_module("mcp.client.stdio")
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=log,
        env={**stdio.get_default_environment(), **env},
        cwd=cwd,
        limit=MOST_LINE,
        start_new_session=True,
    )
    incoming, received = anyio.create_memory_object_stream(0)
    to_send, outgoing = anyio.create_memory_object_stream(0)
    tasks = [
        asyncio.ensure_future(_read(process, incoming)),
        asyncio.ensure_future(_write(process, outgoing, incoming)),
    ]
    try:
        yield received, to_send
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for stream in (incoming, received, to_send, outgoing):
                stream.close()


async def _read(process: asyncio.subprocess.Process, incoming: Any) -> None:
    """Pass the server's messages on; at the end of its output the session is over."""
    shared: Any = importlib.import_module("mcp.shared.message")
    types: Any = importlib.import_module("mcp_types")
    assert process.stdout is not None
    async with incoming:
        while True:
            try:
                line = await process.stdout.readuntil(b"\n")
            except (asyncio.IncompleteReadError, OSError):
                return
            except asyncio.LimitOverrunError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()  # the rest of the line is of no use to anybody
                return
            try:
                found = shared.SessionMessage(
                    types.jsonrpc_message_adapter.validate_json(line, by_name=False)
                )
            except ValueError as error:  # a server that prints to its output
                found = error
            await incoming.send(found)


async def _write(process: asyncio.subprocess.Process, outgoing: Any, incoming: Any) -> None:
    """Pass our messages on; a server that takes none ends the session."""
    assert process.stdin is not None
    async with outgoing:
        try:
            async for message in outgoing:
                text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                process.stdin.write(f"{text}\n".encode())
                await process.stdin.drain()
        except (OSError, RuntimeError):
            await incoming.aclose()


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a server: its input ends, then signals follow, to all that it has started."""
    assert process.stdin is not None
    with contextlib.suppress(OSError, RuntimeError):
        process.stdin.close()
    for kind in (None, signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        with contextlib.suppress(OSError, AttributeError):  # Windows has no groups of processes
            if kind is not None:
                os.killpg(process.pid, kind)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_gone(process), GRACE_S)
            break
    _end_the_rest(process)
    transport = getattr(process, "_transport", None)  # a child of the server may hold the pipes open
    with contextlib.suppress(OSError, AttributeError):
        transport.close()  # type: ignore[union-attr]


def _end_the_rest(process: asyncio.subprocess.Process) -> None:
    """End what a server that is gone has left running."""
    if not hasattr(os, "killpg"):
        return
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:  # else the number is that of a new process, whose group is none of ours
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    except OSError:
        return


async def _gone(process: asyncio.subprocess.Process) -> None:
    while process.returncode is None:
        await asyncio.sleep(0.01)
