"""Text that a model wrote, on its way to a terminal."""

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def safe_terminal(text: str) -> str:
    r"""Return `text` with control characters made visible, so that a model cannot drive the terminal.

    >>> safe_terminal("a\x1b[2Jb")
    'a␛[2Jb'
    """
    return _CONTROL.sub(lambda mark: chr(0x2400 + ord(mark[0])) if ord(mark[0]) < 0x20 else "�", text)
