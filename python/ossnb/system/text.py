"""Text from files and models, as a terminal and an error message may show it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from numbers import Real

NAME_CHARS = 80  # of a name or a value in a message

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and newline

# What drives a terminal, turns text around or hides it, but for tabs and newlines. Joiners stay, since
# scripts and emoji are written with them, and so does one selector of a variant: many in a row spell out a
# text that nobody sees.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
    r"|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{2,}"
)


def seen_only(text: str) -> str:
    r"""Return a text of a file or a tool without what its reader would not see, for a model.

    >>> seen_only("a\x1b[2J\u200bb")
    'a[2Jb'
    """
    return _UNSEEN.sub("", text)


def safe_terminal(text: str) -> str:
    r"""Return `text` with visible control characters, so that its writer cannot drive the terminal.

    >>> safe_terminal("a\x1b[2Jb")
    'a␛[2Jb'
    """
    return _CONTROL.sub(lambda mark: chr(0x2400 + ord(mark[0])) if ord(mark[0]) < 0x20 else "�", text)


def counted(number: int, what: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "token"), counted(2048, "token")
    ('1 token', '2,048 tokens')
    """
    return f"{number:,} {what}" + "s" * (number != 1)


def listed(names: Iterable[str], most: int) -> str:
    """List the first names, and how many more there are.

    >>> listed(["a", "b"], 3), listed(["a", "b", "c"], 2)
    ('a, b', 'a, b and 1 more')
    """
    found = list(names)
    more = f" and {len(found) - most:,} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more


def reworded(text: str, words: Mapping[str, str]) -> str:
    """Return a message whose advice is in the words of another place, such as a shell.

    >>> reworded("load with more context (<= 131,072)", {"load with more context": "give --context N"})
    'give --context N (<= 131,072)'
    """
    for ours, theirs in words.items():
        text = text.replace(ours, theirs)
    return text


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the one name that begins with a word, or else the name nearest to it; None where none is near.

    >>> closest("--temp", ["--temperature", "--top-p"]), closest("LOD", ["load", "status"])
    ('--temperature', 'load')
    """
    names = {name.lower(): name for name in known}
    begun = [name for name in names if name.startswith(word.lower())]
    near = begun if len(begun) == 1 else difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.7)
    return names[near[0]] if near else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean ...?" where a known name is near, else "".

    >>> did_you_mean("dmeo", ["demo", "20b"])
    '; did you mean demo?'
    """
    meant = closest(word, known)
    return f"; did you mean {shown(meant)}?" if meant is not None else ""


def suggestion(word: str, known: Iterable[str], what: str) -> str:
    """Return which name may have been meant in place of a word, and the list of all names.

    >>> suggestion("lod", ["load", "status"], "commands")
    '; did you mean load? The commands are: load, status'
    """
    names = list(known)
    return f"{did_you_mean(word, names) or '.'} The {what} are: {', '.join(names)}"


def one_line(text: str) -> str:
    r"""Return a text on one line, escaped where it is not printable, or has selectors of variants, by which a
    text can be written that nobody sees.

    >>> one_line("a\n\x1b[2Jb")
    'a\\n\\x1b[2Jb'
    """
    return "".join(
        c
        if c.isprintable() and not "\U000e0100" <= c <= "\U000e01ef"
        else c.encode("unicode_escape").decode()
        for c in text
    )


def shown(name: str, n_chars: int = NAME_CHARS) -> str:
    r"""Return a name as a message shows it: on one line, escaped where it is not printable, and cut.

    >>> shown("a\n\x1b[2Jb"), shown("x" * 500, n_chars=3)
    ('a\\n\\x1b[2Jb', 'xxx… (500 characters)')
    """
    begin = one_line(name[:n_chars])
    return begin if len(name) <= n_chars else f"{begin}… ({len(name):,} characters)"


def shown_value(value: object, n_chars: int = NAME_CHARS) -> str:
    """Return a value, a caller's or a file's, as a message shows it: its repr, cut.

    >>> shown_value("yarn"), shown_value(np.float32(1.5))
    ("'yarn'", '1.5')
    """
    try:
        return shown(str(value) if isinstance(value, Real) else repr(value), n_chars)
    except (ValueError, RecursionError):  # an integer of thousands of digits; lists in lists in lists
        return f"a very large {type(value).__name__}"
    except Exception:  # a repr of a caller's own class may raise anything
        return type(value).__name__
