"""The names that training libraries give to gpt-oss's tensors, where they plainly mean the usual ones."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What wraps a model puts its own name before a tensor's, or within it: PEFT, torch.compile, data parallelism.
_WRAPPERS = re.compile(
    r"^(?:base_model\.model\.|module\.|_orig_mod\.)+|(?<=\.)_orig_mod\.|(?<=\.)base_layer\.(?=\w+$)"
)
_OF_THE_INNER_MODEL = re.compile(r"layers\.|embed_tokens\.weight$|norm\.weight$")
# Experts one by one, as matrices [out, in]; the usual form is one tensor of a layer's experts, [E, in, out].
EXPERT = re.compile(
    r"(?P<layer>model\.layers\.\d+\.mlp\.experts\.)(?P<matrix>gate_up|down)_projs\.(?P<expert>\d+)\."
    r"(?P<kind>weight|bias)"
)


def usual_name(name: str) -> str:
    """Return the name that a tensor has in the published checkpoints, or the name given if it has none.

    >>> usual_name("base_model.model.model.layers.3.mlp.router.linear.bias")
    'model.layers.3.mlp.router.bias'
    """
    name = _WRAPPERS.sub("", name)
    if _OF_THE_INNER_MODEL.match(name):
        name = f"model.{name}"
    return name.replace(".mlp.router.linear.", ".mlp.router.")


def experts_together(stored: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Put experts that stand one by one into one tensor a layer, [E, in, out], with biases [E, out].

    >>> sorted(experts_together({}))
    []

    Matrices are transposed, so these tensors are copies in memory. All other tensors stay as they are.
    """
    together: dict[str, NDArray[Any]] = {}
    matches = [match for name in stored if (match := EXPERT.fullmatch(name))]
    counts = Counter((match["layer"], match["matrix"], match["kind"]) for match in matches)
    for match in matches:  # an interrupt is seen between two
        of_layer = match["layer"], match["matrix"], match["kind"]
        name = f"{match['layer']}{match['matrix']}_proj{'_bias' if match['kind'] == 'bias' else ''}"
        own = stored.pop(match[0]).T
        if name not in together:
            together[name] = np.empty((counts[of_layer], *own.shape), own.dtype)
        together[name][int(match["expert"])] = own
    for tensor in together.values():
        tensor.flags.writeable = False
    return stored | together
