"""The C++ engine. Only the model layer (model.py, generation.py, derived.py, bench.py,
doctor.py) imports it."""

from collections.abc import Mapping
from collections.abc import Sequence as Seq
from typing import Any, Never

import numpy as np
from numpy.typing import NDArray

__version__: str

class _Bound(type):
    """The type of every class that C++ makes: pybind11's own."""

class Cancelled(Exception):
    """A forward call was stopped by its CancelFlag; the sequences are as before the call."""

class CancelFlag(metaclass=_Bound):
    """An atomic flag any thread may set to stop a running forward call within about 20 ms."""

    def __init__(self) -> None: ...
    def set(self) -> None: ...
    def clear(self) -> None: ...
    def is_set(self) -> bool: ...

def isa_levels() -> list[str]:
    """Instruction-set levels this machine can run, slowest ("reference") first, best last."""

def cpu_features() -> dict[str, bool]:
    """CPU features the kernels look at, by name ("avx2", "fma", "avx512vnni", "asimddp", ...)."""

class Sequence(metaclass=_Bound):
    """One token sequence's keys and values, in reference-counted blocks. Made by Model.sequence()."""

    def __init__(self, *args: Never) -> None: ...
    @property
    def length(self) -> int:
        """Tokens whose keys and values are stored."""
    @property
    def n_bytes(self) -> int:
        """Bytes of the blocks it holds (shared blocks counted in full)."""
    def fork(self) -> Sequence:
        """A second sequence with the same tokens; blocks are shared until one of the two writes."""
    def rewind(self, length: int) -> None:
        """Forget every token from position `length` on. ValueError outside 0..self.length."""

class Model(metaclass=_Bound):
    """Weights (borrowed, read-only arrays kept alive here) and everything to run them."""

    def __init__(
        self,
        config: Mapping[str, Any],
        tensors: Mapping[str, NDArray[Any]],
        *,
        threads: int,
        precision: str = "exact",
        isa: str = "",
    ) -> None:
        """`config`: Config as a dict. `tensors`: HF name (MODEL §2.1) → C-contiguous array; bf16 as
        uint16, MXFP4 blocks and scales as uint8. `precision`: "exact" or "fast". `isa`: a name from
        isa_levels(), "" for OSSNB_ISA or the best."""
    @property
    def isa(self) -> str: ...
    @property
    def threads(self) -> int: ...
    @threads.setter
    def threads(self, n: int) -> None: ...
    @property
    def kv_bytes_per_token(self) -> int: ...
    @property
    def kv_block_tokens(self) -> int: ...
    @property
    def bytes_touched(self) -> int:
        """Bytes of weights, keys and values that the last forward call had to read, counted from the
        tensors."""
    def sequence(self) -> Sequence: ...
    def forward(
        self,
        batch: Seq[tuple[Sequence, NDArray[np.int32], int]],
        cancel: CancelFlag | None = None,
    ) -> NDArray[np.float32]:
        """Append tokens to sequences and return logits.

        `batch`: (sequence, its next token ids [n], how many of its last rows want logits). Returns
        float32 [sum of wanted, V] in batch order. A sequence may appear once a call. Releases the GIL;
        polls signals (on the main thread) and `cancel`: KeyboardInterrupt or Cancelled leave every
        sequence as before the call. Calls from several threads take turns. ValueError for a token
        outside 0..V-1, an empty id list or too many wanted rows."""

    @property
    def n_vocab(self) -> int: ...
    @property
    def has_screen(self) -> bool:
        """Whether forward_screened() can be used: `tensors` held lm_head.weight.q6 and its norms."""
    def forward_screened(
        self, sequence: Sequence, tokens: NDArray[np.int32], cancel: CancelFlag | None = None
    ) -> Screened:
        """forward() of one sequence, without reading lm_head: for choose(), which reads the rows it needs."""
    def choose(self, screened: Screened, sampler: Sampler, position: int) -> tuple[int, int]:
        """(the token that sampler.sample() chooses from the logits of forward(), bytes of lm_head that were
        read for it). ValueError for a sampler that needs_all_logits."""
    def trace(
        self, sequence: Sequence, tokens: NDArray[np.int32], cancel: CancelFlag | None = None
    ) -> dict[str, NDArray[Any]]:
        """forward() with all logits, and what the layers did: "logits" [T, V], "hidden" [L + 1, T, D]
        (the residual stream, entry 0 the embedding), "router_logits" [L, T, E], "experts" int32 [L,
        T, A] likeliest first and "expert_weights" [L, T, A]."""

class Screened(metaclass=_Bound):
    """Bounds of the logits after a sequence's last token, from a packed copy of lm_head. Made by
    Model.forward_screened()."""

    def __init__(self, *args: Never) -> None: ...
    @property
    def is_finite(self) -> bool:
        """False where a NaN or an infinity came before lm_head."""

class Sampler(metaclass=_Bound):
    """Choose tokens: penalties, bias, temperature, top_k, top_p, min_p (in this order), then Gumbel-max
    noise keyed by (seed, position, token)."""

    def __init__(
        self,
        *,
        n_vocab: int,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        presence_penalty: float = 0.0,
        frequency_penalty: float = 0.0,
        logit_bias: Mapping[int, float] | None = None,
        seed: int = 0,
        prompt: NDArray[np.int32] | None = None,
    ) -> None:
        """`prompt` ids count for repetition_penalty only; accepted ids count for all three penalties."""
    def sample(
        self, logits: NDArray[np.float32], position: int, n_top: int = 0
    ) -> tuple[int, float, NDArray[np.int32], NDArray[np.float32]]:
        """(token, its log-probability, ids of the n_top likeliest, their log-probabilities), for logits
        [V]. The log-probabilities are of the untouched logits (no penalties, temperature 1). Does not
        change the sampler."""
    @property
    def needs_all_logits(self) -> bool:
        """Whether a filter or a penalty asks for more than Model.choose() can tell."""
    def accept(self, token: int) -> None:
        """Count a chosen token for the penalties."""

def pack_q8(w: NDArray[np.uint16], threads: int) -> NDArray[np.uint8]:
    """Pack bfloat16 rows [R, K], K a multiple of 32, into Q8 tiles [R / 16 rounded up, bytes of a tile]."""

def pack_q6(w: NDArray[np.uint16], threads: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Pack rows in the same way into Q6 tiles; and of each row, rounded up, the norm of what that lost and of
    what it kept [R, 2]."""

def pack_bf12(
    w: NDArray[np.uint16], threads: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint32]]:
    """Pack bfloat16 rows [R, K], K a multiple of 32, into 12 bits a weight without loss: tiles [R / 4 rounded
    up, bytes of a tile], the table of high bytes [16], and the weights with another high byte [n, 2]. No
    tiles [0, bytes of a tile] where too many have one."""

def checksum(data: NDArray[np.uint8], threads: int) -> int:
    """A 64-bit sum of a C-contiguous array's bytes, at memory speed, that any change of a word changes. Not
    meant against forgery."""

def resident_share(data: NDArray[Any], samples: int = 4096) -> float:
    """The share of a mapped array's pages in memory, by a sample; 1 where the system does not tell."""

def prefetch_if_absent(data: NDArray[Any]) -> bool:
    """Ask the system to read a mapped array's file in the background, if some of it is not in memory; say
    whether that was so."""

def max_byte(data: NDArray[np.uint8]) -> int:
    """Largest byte of a C-contiguous array, at memory speed (the scale check of the loader)."""

def measure_read_gb_s(threads: int, megabytes: int = 256) -> float:
    """Measured read bandwidth of memory, GB/s."""

def measure_int8_gop_s(threads: int, isa: str = "") -> float:
    """Measured peak of the int8 dot product the chosen level uses, 1e9 operations (2 a multiply-add) a
    second."""

class kernels(metaclass=_Bound):
    """Single kernels by level, for tests and for measuring. No object is made of it."""

    def __init__(self, *args: Never) -> None: ...

    @staticmethod
    def quantize(isa: str, terms: int, x: NDArray[np.float32]) -> NDArray[np.uint8]: ...
    @staticmethod
    def mxfp4_matmul(
        isa: str,
        terms: int,
        blocks: NDArray[np.uint8],
        scales: NDArray[np.uint8],
        quantized: NDArray[np.uint8],
        rows: NDArray[np.int32],
    ) -> NDArray[np.float32]: ...
    @staticmethod
    def bf16_matmul(isa: str, w: NDArray[np.uint16], x: NDArray[np.float32]) -> NDArray[np.float32]: ...
    @staticmethod
    def bf12_matmul(
        isa: str,
        tiles: NDArray[np.uint8],
        high: NDArray[np.uint8],
        rare: NDArray[np.uint32],
        row: int,
        n_rows: int,
        x: NDArray[np.float32],
    ) -> NDArray[np.float32]: ...
    @staticmethod
    def q8_pack(isa: str, w: NDArray[np.uint16]) -> NDArray[np.uint8]: ...
    @staticmethod
    def q6_pack(isa: str, w: NDArray[np.uint16]) -> NDArray[np.uint8]: ...
    @staticmethod
    def q6_matmul(
        isa: str, tiles: NDArray[np.uint8], k: int, x: NDArray[np.uint8]
    ) -> NDArray[np.float32]: ...
    @staticmethod
    def q8_matmul(
        isa: str, tiles: NDArray[np.uint8], n_rows: int, k: int, x: NDArray[np.uint8], rows: NDArray[np.int32]
    ) -> NDArray[np.float32]: ...
    @staticmethod
    def bf16_matmul_in_out(
        isa: str, w: NDArray[np.uint16], x: NDArray[np.float32], rows: NDArray[np.int32]
    ) -> NDArray[np.float32]: ...
    @staticmethod
    def rms_norm(
        isa: str, x: NDArray[np.float32], w: NDArray[np.uint16], eps: float
    ) -> NDArray[np.float32]: ...
    @staticmethod
    def swiglu(isa: str, h: NDArray[np.float32], limit: float, alpha: float) -> NDArray[np.float32]: ...
    @staticmethod
    def exp(isa: str, x: NDArray[np.float32]) -> NDArray[np.float32]: ...
    @staticmethod
    def sum_exp(isa: str, x: NDArray[np.float32], shift: float) -> float: ...
    @staticmethod
    def attend(
        isa: str,
        q: NDArray[np.float32],
        keys: NDArray[np.float32],
        values: NDArray[np.float32],
        sinks: NDArray[np.uint16],
        last: int,
        window: int,
        block_tokens: int,
    ) -> NDArray[np.float32]: ...
