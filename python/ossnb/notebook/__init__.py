"""The notebook side: `%%oss` cells, `%oss`, progress bars. No widgets: a saved answer needs no kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load_ipython_extension", "resume_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register `%%oss` and `%oss`; `%load_ext ossnb` and `import ossnb` inside IPython do so.

    >>> load_ipython_extension(get_ipython())  # in a notebook  # doctest: +SKIP

    A second registration changes nothing: conversations go on.
    """
    from .magic import register

    register(shell)


def resume_ipython_extension(shell: InteractiveShell) -> None:
    """Register the magics when ossnb is imported, or again: `%reload_ext ossnb` unloads it before that.

    >>> resume_ipython_extension(get_ipython())  # in a notebook  # doctest: +SKIP

    Conversations, models and the last question are as they were before the magics were removed.
    """
    from .magic import register

    register(shell, resumes=True)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Remove `%%oss` and `%oss` again, as `%unload_ext ossnb` does."""
    from .magic import unregister

    unregister(shell)
