"""The gpt-oss architecture in PyTorch, laid out for fast training on a CPU.

A batch is ragged: all tokens of all conversations lie in one flat row [T], every layer works on that row, and
only attention cuts it into groups of similar length.  The system message is the same for many conversations,
so it appears once per variant and the others attend to its keys and values.
Shapes: T tokens, D hidden, H query heads, G key/value heads, C head dim, E experts, F expert width.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Precision of matrix products while training; float32 is as fast on CPUs whose bf16 units are slow.
GEMM = torch.bfloat16 if os.environ.get("DEMO_GEMM", "float32") == "bfloat16" else torch.float32
NEVER = 1 << 20  # position of a padding key: later than every query, so the causal mask hides it


@dataclass(frozen=True)
class Shape:
    """Sizes of the demo model; everything else (YaRN, SwiGLU constants) is gpt-oss's own."""

    hidden: int = 192
    intermediate: int = 352
    layers: int = 4
    heads: int = 8
    kv_heads: int = 2
    head_dim: int = 32
    experts: int = 8
    active: int = 2
    window: int = 128


@dataclass
class Group:
    """Sequences of similar length. Group after group makes up the flat batch."""

    rows: Tensor  # [B * L] int64, counted from the group's first token
    shape: tuple[int, int]
    k_pos: Tensor  # [B, P + L], NEVER where there is no key
    masks: tuple[Tensor, Tensor]  # [B, 1, R L, P + L + 1] of sliding and full layers
    variant: Tensor | None  # [B] which prefix each sequence continues; None: the prefixes themselves
    n_prefix: int  # P, the length of the longest of these prefixes
    unpad: Tensor  # [n] positions within [B * L] that are real, in flat order


@dataclass
class Batch:
    """One flat batch: prefixes first, then the conversations, group by group."""

    tokens: Tensor  # [T] rows of the compact input vocabulary
    positions: Tensor  # [T]
    groups: list[Group]
    loss_at: Tensor  # [N] flat positions whose next token is learned
    targets: Tensor  # [N] rows of the compact output vocabulary


class _Permute(torch.autograd.Function):
    """x[index] where the backward pass is also a gather: far faster on a CPU than index_add."""

    @staticmethod
    def forward(ctx, x: Tensor, index: Tensor, inverse: Tensor, repeat: int) -> Tensor:
        ctx.save_for_backward(inverse)
        ctx.repeat = repeat
        return x.index_select(0, index)

    @staticmethod
    def backward(ctx, grad: Tensor):
        (inverse,) = ctx.saved_tensors
        out = grad.index_select(0, inverse)
        if ctx.repeat > 1:
            out = out.view(-1, ctx.repeat, *grad.shape[1:]).sum(1)
        return out, None, None, None


class _Pad(torch.autograd.Function):
    """Spread flat rows over a padded [B * L] grid; the gradient of padding is dropped."""

    @staticmethod
    def forward(ctx, x: Tensor, rows: Tensor, unpad: Tensor) -> Tensor:
        ctx.save_for_backward(unpad)
        return x.index_select(0, rows)

    @staticmethod
    def backward(ctx, grad: Tensor):
        (unpad,) = ctx.saved_tensors
        return grad.index_select(0, unpad), None, None


def yarn_frequencies(dim: int) -> Tensor:
    """Return the angle a position adds to each of the dim / 2 pairs, highest first: gpt-oss's YaRN."""
    base, factor, original, fast, slow = 150_000.0, 32.0, 4096.0, 32.0, 1.0
    half = dim // 2
    i = torch.arange(half, dtype=torch.float64)
    freq = base ** (i / half)
    low = half * math.log(original / (fast * 2 * math.pi)) / math.log(base)
    high = half * math.log(original / (slow * 2 * math.pi)) / math.log(base)
    ramp = ((i - low) / (high - low)).clamp(0, 1)
    return ((1 - ramp) / freq + ramp / (factor * freq)).float()


def yarn_tables(dim: int, length: int) -> tuple[Tensor, Tensor]:
    """Return cos and sin [length, dim / 2] of gpt-oss's YaRN rotation."""
    angle = torch.arange(length, dtype=torch.float32)[:, None] * yarn_frequencies(dim)
    gain = 0.1 * math.log(32.0) + 1.0
    return angle.cos() * gain, angle.sin() * gain


def rms_norm(x: Tensor, weight: Tensor) -> Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5) * weight


def norm_cast(x: Tensor, weight: Tensor) -> Tensor:
    return rms_norm(x, weight).to(GEMM)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Apply the rotation to x [T, heads, C] (halves layout)."""
    a, b = x.float().chunk(2, -1)
    cos, sin = cos[:, None], sin[:, None]
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1).to(GEMM)


def swiglu(h: Tensor) -> Tensor:
    """The checkpoint alternates gate and up rows; halves are faster here (`Layer.experts` reorders)."""
    gate, up = h.float().chunk(2, -1)
    gate, up = gate.clamp(max=7.0), up.clamp(-7.0, 7.0)
    return ((up + 1) * gate * torch.sigmoid(1.702 * gate)).to(GEMM)


def halves(t: Tensor) -> Tensor:
    """Reorder dimension 1 from gate, up, gate, up, ... to all gates, then all ups."""
    return t.unflatten(1, (-1, 2)).transpose(1, 2).flatten(1, 2)


def attend(q: Tensor, kv: Tensor, sinks: Tensor, mask: Tensor) -> Tensor:
    """Causal attention with one sink logit a head: q [B, L, H, C], kv [B, K, 2 G, C] -> [B, L, H, C].

    The sink becomes one more key, so that PyTorch's fused kernel serves: R further dimensions tell the R
    query heads of a group apart, the sink's key holds their logits there, and its value is zero.
    """
    b, length, heads, c = q.shape
    groups = kv.shape[2] // 2
    r = heads // groups
    which = torch.eye(r)[None, None, :, None].expand(b, groups, r, length, r)
    q = q.view(b, length, groups, r, c).permute(0, 2, 3, 1, 4)
    q = torch.cat((q, which), -1).view(b, groups, r * length, c + r)
    k, v = F.pad(kv.transpose(1, 2), (0, r, 0, 1)).split(groups, 1)
    sink = F.pad(sinks.view(groups, 1, r) * c**0.5, (c, 0)).expand(b, -1, -1, -1)
    k = torch.cat((k[:, :, :-1], sink), 2)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=c**-0.5)
    return out.view(b, heads, length, c + r)[..., :c].transpose(1, 2)


def attention_mask(q_pos: Tensor, k_pos: Tensor, window: int, repeat: int) -> Tensor:
    """Return 0 where a key is visible and -1e30 elsewhere: [B, 1, repeat L, K + 1]; the sink is visible."""
    distance = q_pos[:, :, None] - k_pos[:, None, :]
    mask = torch.where((distance >= 0) & (distance < window), 0.0, -1e30)
    return F.pad(mask, (0, 1))[:, None].repeat(1, 1, repeat, 1)


def fake_mxfp4(w: Tensor) -> Tensor:
    """Round w [..., 32 k] to MXFP4 and back (float in, float out)."""
    blocks = w.unflatten(-1, (-1, 32))
    scale = torch.exp2(mxfp4_exponent(blocks))
    x = (blocks / scale).abs()
    step = torch.where(x < 2, 0.5, torch.where(x < 4, 1.0, 2.0))
    q = ((x / step).round() * step).clamp(max=6.0)
    return (q * blocks.sign() * scale).flatten(-2)


def mxfp4_exponent(blocks: Tensor) -> Tensor:
    """Exponent of each block's scale: the largest element may be clipped by up to 8 %."""
    top = blocks.abs().amax(-1, keepdim=True).clamp(min=2.0**-100)
    return torch.ceil(torch.log2(top / 6.5))


def balance(logits: Tensor, chosen: Tensor) -> Tensor:
    """Load-balancing loss of the Switch transformer: 1 when all experts are used alike."""
    n = logits.shape[-1]
    share = F.one_hot(chosen, n).float().sum(-2).mean(0) / chosen.shape[-1]
    return n * (share * logits.softmax(-1).mean(0)).sum()


def cross_entropy(x: Tensor, norm: Tensor, table: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    logits = (rms_norm(x, norm).to(GEMM) @ table.T).float() + bias
    return F.cross_entropy(logits, targets)


class Layer(nn.Module):
    def __init__(self, s: Shape, index: int, depth_scale: float = 0.3) -> None:
        super().__init__()
        self.s, self.is_full = s, index % 2 == 1

        def matrix(*shape: int, scale: float = 1.0) -> nn.Parameter:
            return nn.Parameter(torch.randn(*shape) * scale / math.sqrt(shape[-1]))

        def zeros(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.zeros(*shape))

        q_dim, kv_dim = s.heads * s.head_dim, s.kv_heads * s.head_dim
        self.input_norm = nn.Parameter(torch.ones(s.hidden))
        self.post_norm = nn.Parameter(torch.ones(s.hidden))
        self.q, self.q_bias = matrix(q_dim, s.hidden), zeros(q_dim)
        self.k, self.k_bias = matrix(kv_dim, s.hidden), zeros(kv_dim)
        self.v, self.v_bias = matrix(kv_dim, s.hidden), zeros(kv_dim)
        self.o, self.o_bias = matrix(s.hidden, q_dim, scale=depth_scale), zeros(s.hidden)
        self.sinks = zeros(s.heads)
        self.router, self.router_bias = matrix(s.experts, s.hidden), zeros(s.experts)
        self.gate_up = matrix(s.experts, 2 * s.intermediate, s.hidden)
        self.gate_up_bias = zeros(s.experts, 2 * s.intermediate)
        self.down = matrix(s.experts, s.hidden, s.intermediate, scale=depth_scale)
        self.down_bias = zeros(s.experts, s.hidden)

    def attention(self, x: Tensor, batch: Batch, cos: Tensor, sin: Tensor) -> Tensor:
        s = self.s
        t = OPS["norm_cast"](x, self.input_norm)
        weight = torch.cat((self.q, self.k, self.v)).to(GEMM)
        bias = torch.cat((self.q_bias, self.k_bias, self.v_bias)).to(GEMM)
        qkv = F.linear(t, weight, bias).view(len(x), -1, s.head_dim)
        n_rot = s.heads + s.kv_heads
        qk = OPS["rotate"](qkv[:, :n_rot], cos, sin)
        qkv = torch.cat((qk, qkv[:, n_rot:]), 1)
        prefix_kv, outs = None, []
        for group, part in zip(batch.groups, qkv.split([len(g.unpad) for g in batch.groups]), strict=True):
            b, length = group.shape
            grid = _Pad.apply(part, group.rows, group.unpad).view(b, length, -1, s.head_dim)
            kv = grid[:, :, s.heads :]
            if group.variant is None:
                prefix_kv = kv
            else:
                prefix = prefix_kv[:, : group.n_prefix].index_select(0, group.variant)
                kv = torch.cat((prefix, kv), 1)
            out = attend(grid[:, :, : s.heads], kv, self.sinks, group.masks[self.is_full])
            out = out.reshape(b * length, -1)
            outs.append(out.index_select(0, group.unpad))
        return F.linear(torch.cat(outs), self.o.to(GEMM), self.o_bias.to(GEMM))

    def experts(self, x: Tensor, quantise: bool) -> tuple[Tensor, Tensor]:
        s = self.s
        t = OPS["rms_norm"](x, self.post_norm)
        logits = F.linear(t, self.router, self.router_bias)
        top, chosen = logits.topk(s.active, -1)
        order = torch.argsort(chosen.view(-1), stable=True)
        inverse = torch.empty_like(order)
        inverse[order] = torch.arange(len(order))
        counts = torch.bincount(chosen.view(-1), minlength=s.experts).tolist()
        gate_up, down = self.gate_up, self.down
        if quantise:  # straight through: the rounding is seen by the forward pass only
            gate_up = gate_up + (OPS["fake_mxfp4"](gate_up.detach()) - gate_up.detach())
            down = down + (OPS["fake_mxfp4"](down.detach()) - down.detach())
        gate_up, b1 = (halves(t).to(GEMM) for t in (gate_up, self.gate_up_bias))
        down, b2 = down.to(GEMM), self.down_bias.to(GEMM)
        rows = _Permute.apply(t.to(GEMM), order // s.active, inverse, s.active).split(counts)
        h = torch.cat([F.linear(rows[e], gate_up[e], b1[e]) for e in range(s.experts)])
        a = OPS["swiglu"](h).split(counts)
        y = torch.cat([F.linear(a[e], down[e], b2[e]) for e in range(s.experts)])
        y = _Permute.apply(y, inverse, order, 1).view(len(x), s.active, -1)
        mixed = (top.softmax(-1).unsqueeze(-1) * y.float()).sum(1)
        return mixed, balance(logits, chosen)


@torch.no_grad()
def start_copying(first: Layer, second: Layer) -> None:
    """Start the first two layers with the circuit that copying needs (an induction head, Olsson et al. 2022).

    A small model finds it late: until then it cannot repeat a name or a list. The queries of key/value head 0
    in the first layer look one, two and three positions back, by their biases alone, and write what they see
    there into a subspace of their own. In the second layer the keys of head 0 read that subspace and the
    queries the current token, so that attention finds what followed the same token before; its value goes on
    to the residual, where `DemoModel.tie` turns it into the token. All of it is trained on.
    """
    c, d = first.s.head_dim, first.s.hidden
    r, half = first.s.heads // first.s.kv_heads, first.s.head_dim // 2
    fast = yarn_frequencies(c)[:5]  # pairs that tell neighbours apart
    strength = 3.5  # a neighbour's score then lies about 3 above the next one's

    def rows(n: int) -> Tensor:  # [n, D] orthonormal
        return torch.linalg.qr(torch.randn(d, n))[0].T

    first.q[: r * c] *= 0.3
    first.k[:c] *= 0.3
    first.k_bias[:5] = strength
    for head in range(r - 1):
        angle = fast * (head + 1)
        first.q_bias[head * c : head * c + 5] = strength * angle.cos()
        first.q_bias[head * c + half : head * c + half + 5] = -strength * angle.sin()
    seen, written, copied = rows(c), rows(c), rows(c)
    first.v[:c] = seen
    first.o[:, :c] = written.T
    slow = torch.arange(c) % half >= 6  # pairs that hardly turn within a conversation
    second.k[:c] = 0.1 * second.k[:c] + 1.5 * written * slow[:, None]
    second.q[:c] = 0.1 * second.q[:c] + 2.0 * seen * slow[:, None]
    second.v[:c] = copied
    second.o[:, :c] = 0.7 * copied.T


# Pointwise pieces run through torch.compile when `compile_ops` was called.
OPS = {f.__name__: f for f in (norm_cast, rms_norm, rotate, swiglu, fake_mxfp4, cross_entropy)}


def compile_ops() -> None:
    for name, f in list(OPS.items()):
        OPS[name] = torch.compile(f, dynamic=True)


class DemoModel(nn.Module):
    """Trains on compact vocabularies; `tables` gives the rows that the export writes out."""

    def __init__(self, s: Shape, vocab, max_positions: int = 2048) -> None:
        super().__init__()
        self.s = s
        self.layers = nn.ModuleList(Layer(s, i) for i in range(s.layers))
        start_copying(*self.layers[:2])
        self.norm = nn.Parameter(torch.ones(s.hidden))
        n_in, n_out, n_groups = vocab.n_in, vocab.n_out, vocab.n_groups
        # A row is its own vector + its word's vector (shared by case and space variants) + its digits.
        self.embed = nn.Parameter(torch.randn(n_in, s.hidden) * 0.35)
        self.embed_word = nn.Parameter(torch.randn(n_groups, s.hidden) * 0.35)
        self.embed_digit = nn.Parameter(torch.randn(vocab.digits_in.shape[1], s.hidden) * 0.35)
        self.unembed = nn.Parameter(torch.randn(n_out, s.hidden) * 0.015)
        self.unembed_word = nn.Parameter(torch.randn(n_groups, s.hidden) * 0.015)
        self.unembed_digit = nn.Parameter(torch.randn(vocab.digits_out.shape[1], s.hidden) * 0.015)
        # What is read and what is written are related by one matrix: copying carries over to all words.
        self.tie = nn.Parameter(0.05 * torch.eye(s.hidden))
        in_row, _ = vocab.row_maps()
        buffers = {
            "out_to_in": torch.from_numpy(in_row[vocab.ids_out]),  # 0 (unknown) for the last, shared row
            "seen_in": torch.from_numpy(vocab.seen_in).float()[:, None],
            "group_in": torch.from_numpy(vocab.group_in),
            "group_out": torch.from_numpy(vocab.group_out),
            "digits_in": torch.from_numpy(vocab.digits_in).float(),
            "digits_out": torch.from_numpy(vocab.digits_out).float(),
        }
        cos, sin = yarn_tables(s.head_dim, max_positions)
        buffers |= {"cos": cos, "sin": sin}
        bias = torch.zeros(n_out)
        bias[-1] = math.log(vocab.n_unused)  # one column stands for all tokens that are never written
        buffers["out_bias"] = bias
        for name, value in buffers.items():
            self.register_buffer(name, value, persistent=False)

    def tables(self) -> tuple[Tensor, Tensor]:
        """Return embedding rows [n_in, D] and unembedding rows [n_out, D] (last: all unused tokens)."""
        # Group 0 is "no group": its vector is multiplied away.
        word_in = self.embed_word[self.group_in] * (self.group_in > 0)[:, None]
        word_out = self.unembed_word[self.group_out] * (self.group_out > 0)[:, None]
        embed = self.embed * self.seen_in + word_in + self.digits_in @ self.embed_digit
        unembed = self.unembed + word_out + self.digits_out @ self.unembed_digit
        unembed = unembed + (embed[self.out_to_in] @ self.tie.T) * (self.out_to_in > 0)[:, None]
        return embed, unembed

    def hidden(self, batch: Batch, embed: Tensor, quantise: bool) -> tuple[Tensor, Tensor]:
        """Return the last layer's output [N, D] at the loss positions, and the load-balancing loss."""
        x = F.embedding(batch.tokens, embed)
        cos, sin = self.cos[batch.positions], self.sin[batch.positions]
        loss = torch.zeros(())
        for layer in self.layers:
            x = x + layer.attention(x, batch, cos, sin)
            if layer is self.layers[-1]:  # nothing after this looks at the other positions
                x = x.index_select(0, batch.loss_at)
            y, balance_loss = layer.experts(x, quantise)
            x, loss = x + y, loss + balance_loss
        return x, loss / len(self.layers)

    def loss(self, batch: Batch, quantise: bool) -> tuple[Tensor, Tensor]:
        embed, unembed = self.tables()
        x, balance_loss = self.hidden(batch, embed, quantise)
        return OPS["cross_entropy"](
            x, self.norm, unembed.to(GEMM), self.out_bias, batch.targets
        ), balance_loss
