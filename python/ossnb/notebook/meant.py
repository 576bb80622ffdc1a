"""Which model a name means, as far as the names tell: nothing is loaded or downloaded for the answer."""

from __future__ import annotations

import os

from ..checkpoint.hub import cached
from ..checkpoint.names import ALIASES, DEMO, is_demo, name_of, repository
from ..generation.record import Author


def means(source: str, model: Author) -> bool:
    """Whether `source`, loaded now, would be the model that is there already; the order is that of `load`.

    >>> means("demo", model), means("20b", model)
    (True, False)
    """
    name = name_of(source)
    if is_demo(name):
        return model.source == DEMO
    if name not in ALIASES and os.path.exists(folder := os.path.expanduser(name)):
        mine = os.path.expanduser(model.source)
        return model.revision is None and os.path.exists(mine) and os.path.samefile(folder, mine)
    found = repository(name)
    if found is None or found.id != model.source or model.revision is None:
        return False
    if found.revision in (None, model.revision):
        return True
    path = cached(found.id, found.revision)  # a branch or a tag
    return path is not None and path.name == model.revision
