"""A server at an address, as the package mcp speaks to it."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import AsyncIterator
from typing import Any

WAIT_S = 30.0  # for a connection; the time of a call is the caller's affair
MOST_EVENT = 128 << 20  # bytes of one message


@contextlib.asynccontextmanager
async def at_address(library: Any, address: str, *, is_here: bool) -> AsyncIterator[Any]:
    """Connect to a server; give the client of the package mcp, entered.

    A request to this machine goes past any proxy that the environment names: a proxy would see what it holds.
    """
    http: Any = importlib.import_module("httpx2")
    transport: Any = importlib.import_module("mcp.client.streamable_http")
    waits = http.Timeout(WAIT_S, read=None)
    async with http.AsyncClient(timeout=waits, trust_env=not is_here) as client:
        streams = transport.streamable_http_client(address, http_client=client, max_sse_event_size=MOST_EVENT)
        async with library.Client(streams) as found:
            yield found
