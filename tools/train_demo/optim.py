"""Muon for matrices, AdamW for the rest."""

from __future__ import annotations

import torch
from torch import Tensor


def orthogonalise(g: Tensor, steps: int = 5) -> Tensor:
    """Move the singular values of g [..., m, n] towards 1: Newton-Schulz, as in Muon (Jordan, 2024)."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = g.shape[-2] > g.shape[-1]
    x = g.mT if tall else g
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon:
    """Momentum, then an orthogonal update; matrices of one shape are updated together."""

    def __init__(self, params: list[Tensor], lr: float) -> None:
        self.params, self.lr = params, lr
        self.buffers = [torch.zeros_like(p) for p in params]
        shapes: dict[tuple[int, ...], list[int]] = {}
        for i, p in enumerate(params):
            shapes.setdefault(tuple(p.shape[-2:]), []).append(i)
        self.groups = list(shapes.values())

    @torch.no_grad()
    def step(self, scale: float, momentum: float) -> None:
        for indices in self.groups:
            updates = []
            for i in indices:
                grad, buffer = self.params[i].grad, self.buffers[i]
                buffer.lerp_(grad, 1 - momentum)
                update = grad.lerp(buffer, momentum)
                updates.append(update.view(-1, *update.shape[-2:]))
            rows, cols = updates[0].shape[-2:]
            step = orthogonalise(torch.cat(updates))
            rate = self.lr * scale * max(1.0, rows / cols) ** 0.5
            for i, part in zip(indices, step.split([len(u) for u in updates]), strict=True):
                self.params[i].add_(part.view_as(self.params[i]), alpha=-rate)

    def state_dict(self) -> list[Tensor]:
        return self.buffers

    def load_state_dict(self, state: list[Tensor]) -> None:
        for buffer, saved in zip(self.buffers, state, strict=True):
            buffer.copy_(saved)
