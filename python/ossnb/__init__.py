"""gpt-oss inside your notebook: private, exact, reproducible.

>>> import ossnb
>>> print(ossnb.generate("What is 2 + 2?", temperature=0))
2 + 2 = 4.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import Busy, CheckpointError, ContextFull, DeviceError, Interrupted, Unparsed
from .version import __version__

if TYPE_CHECKING:
    from .chat import Chat as Chat
    from .checkpoint.config import Config as Config
    from .default import agenerate as agenerate
    from .default import astream as astream
    from .default import complete as complete
    from .default import default_model as default_model
    from .default import generate as generate
    from .default import set_default_model as set_default_model
    from .default import sliders as sliders
    from .default import stream as stream
    from .documents.citations import Citation as Citation
    from .documents.library import Documents as Documents
    from .generation.aio import AsyncStream as AsyncStream
    from .generation.figures import Stats as Stats
    from .generation.frame import to_frame as to_frame
    from .generation.question import Question as Question
    from .generation.record import Event as Event
    from .generation.record import Reply as Reply
    from .generation.sampling import Sampling as Sampling
    from .generation.stream import Stream as Stream
    from .harmony.messages import Message as Message
    from .harmony.messages import ToolCall as ToolCall
    from .loader import load as load
    from .model import Model as Model
    from .notebook import load_ipython_extension as load_ipython_extension
    from .notebook import unload_ipython_extension as unload_ipython_extension
    from .tools.function import tool as tool
    from .tools.mcp_server import mcp as mcp
    from .tools.python import python as python
    from .tools.step import Step as Step
    from .views.compare import compare as compare

# Name → module, imported at first use: `import ossnb` itself takes a few milliseconds.
_LAZY = {
    "AsyncStream": "generation.aio",
    "Chat": "chat",
    "Citation": "documents.citations",
    "Config": "checkpoint.config",
    "Documents": "documents.library",
    "Event": "generation.record",
    "Message": "harmony.messages",
    "Model": "model",
    "Question": "generation.question",
    "Reply": "generation.record",
    "Sampling": "generation.sampling",
    "Stats": "generation.figures",
    "Step": "tools.step",
    "Stream": "generation.stream",
    "ToolCall": "harmony.messages",
    "agenerate": "default",
    "astream": "default",
    "compare": "views.compare",
    "complete": "default",
    "default_model": "default",
    "generate": "default",
    "load": "loader",
    "mcp": "tools.mcp_server",
    "load_ipython_extension": "notebook",
    "python": "tools.python",
    "set_default_model": "default",
    "sliders": "default",
    "stream": "default",
    "to_frame": "generation.frame",
    "tool": "tools.function",
    "unload_ipython_extension": "notebook",
}

__all__ = [
    "Busy",
    "CheckpointError",
    "ContextFull",
    "DeviceError",
    "Interrupted",
    "Unparsed",
    "__version__",
    *_LAZY,
]


def __getattr__(name: str) -> Any:
    if name == "testing":  # a module: `import ossnb` is enough for `ossnb.testing.write_random_checkpoint`
        return import_module(".testing", __name__)
    if name not in _LAZY:
        raise AttributeError(f"module 'ossnb' has no attribute {name!r}")
    value = getattr(import_module(f".{_LAZY[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


def _register_magics() -> None:
    """Offer %%oss at once where the import happens inside IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    if shell is not None:
        import_module(".notebook", __name__).resume_ipython_extension(shell)


_register_magics()
