"""The C++ engine."""

from collections.abc import Mapping
from collections.abc import Sequence as Seq
from typing import Any, Never

import numpy as np
from numpy.typing import NDArray

__version__: str

class _Bound(type):
    """The type of every class that C++ makes: pybind11's own."""

class Cancelled(Exception):
    """A call was stopped by its CancelFlag; the sequences are as before the call."""

class CancelFlag(metaclass=_Bound):
    """An atomic flag that any thread may set to stop a running call within about 20 ms."""

    def __init__(self) -> None: ...
    def set(self) -> None: ...
    def clear(self) -> None: ...
    def is_set(self) -> bool: ...

def isa_levels() -> list[str]:
    """Instruction-set levels this machine can run, slowest ("reference") first, best last."""

def cpu_features() -> dict[str, bool]:
    """CPU features the kernels look at, by name ("avx2", "fma", "avx512vnni", "asimddp", ...)."""

def cuda_cards(free_of: Seq[int] = ...) -> tuple[list[dict[str, Any]], str]:
    """The NVIDIA cards, and why there is none ("" if there are). Of each: ordinal, name, capability (9, 0),
    multiprocessors, is_integrated, memory_total and memory_free in bytes (0: not asked; asking opens the card
    for a moment), why_not ("" if it can be used). Never raises."""

def measure_copy_gb_s(ordinal: int = 0, megabytes: int = 1024) -> float:
    """Measured bandwidth of a card's memory, GB/s read and written by copies. RuntimeError where it fails."""

def cuda_time_kernels(on: bool) -> None:
    """Measure each launch of a kernel from now on, or no more. Measured launches wait for their end."""

def cuda_kernel_times() -> dict[str, tuple[int, float]]:
    """The launches that were measured since the last call: name → (how many, milliseconds together)."""

def cuda_images() -> list[tuple[str, int, int, bool]]:
    """The machine code of the GPU's kernels in this build: (file, architecture as 90 for 9.0, bytes, is PTX).
    Empty in a build without nvcc."""

class KvStore(metaclass=_Bound):
    """A device's keys and values, in blocks that are shared by counted references. Model.kv has it.

    Any thread may call it at any time, during a step too."""

    def __init__(self, *args: Never) -> None: ...
    @property
    def block_tokens(self) -> int:
        """Positions that a block holds."""
    @property
    def block_bytes(self) -> int:
        """Bytes of a block: the keys and values of its positions in all layers."""
    @property
    def n_blocks(self) -> int:
        """Blocks that are alive."""
    @property
    def used_bytes(self) -> int:
        """Bytes of the blocks that are alive; a shared block counts once."""
    def host_bytes(self, n_new: int) -> int:
        """Count the bytes of the host's memory that so many new blocks would take."""
    def retain(self, blocks: Seq[int]) -> None:
        """Hold one reference more to each block. ValueError for an id that is not alive; then nothing is
        changed."""
    def release(self, blocks: Seq[int]) -> None:
        """Give one reference to each block back; the last one frees the block, and its id may name another
        block later. ValueError for an id that is not alive; then nothing is changed."""
    def references(self, block: int) -> int:
        """Count the references to a block. ValueError for an id that is not alive."""
    def read(self, block: int) -> NDArray[np.uint8]:
        """Copy the bytes of a block, [block_bytes], as the device lays them out. ValueError for an id that is
        not alive."""
    def make_from(self, bytes: NDArray[np.uint8]) -> int:
        """Make a block of such bytes, with one reference. Nothing tells which weights they come from: the
        caller must know. ValueError for another number of bytes."""

class Sequence(metaclass=_Bound):
    """One token sequence: a length, and the ids of the blocks with its keys and values. Model.sequence()
    makes it. During a call in another thread it looks as it was before that call."""

    def __init__(self, *args: Never) -> None: ...
    @property
    def length(self) -> int:
        """Tokens whose keys and values are stored."""
    @property
    def n_bytes(self) -> int:
        """Bytes of the blocks it holds (shared blocks counted in full)."""
    @property
    def blocks(self) -> list[int]:
        """Ids of its blocks: block i holds positions i * block_tokens and up. The sequence holds a reference
        to each while it lives; retain them in Model.kv to keep them longer."""
    def fork(self) -> Sequence:
        """A second sequence with the same tokens; blocks are shared until one of the two writes."""
    def rewind(self, length: int) -> None:
        """Forget every token from position `length` on. ValueError outside 0..self.length."""

class Chooser(metaclass=_Bound):
    """How the token after one wanted row is chosen.

    `position` keys the noise, together with the sampler's seed. `n_top` likeliest tokens are reported.
    `mask`: bit t % 32 of word t // 32 allows token t, [V / 32 rounded up]; the others are left out as if
    their logits were -infinity. `keeps_logits` hands all logits out, without penalties and without the mask.
    ValueError for a mask of another length, or one that allows no token."""

    def __init__(
        self,
        sampler: Sampler,
        position: int,
        *,
        n_top: int = 0,
        mask: NDArray[np.uint32] | None = None,
        keeps_logits: bool = False,
    ) -> None: ...
    def choose(self, logits: NDArray[np.float32]) -> Choice:
        """Choose from given logits [V], as a step chooses from its own."""

class Choice(metaclass=_Bound):
    """The result of one wanted row."""

    def __init__(self, *args: Never) -> None: ...
    @property
    def token(self) -> int: ...
    @property
    def logprob(self) -> float | None:
        """Log-probability of the token, of the untouched logits at temperature 1, among the allowed tokens.
        None where the chooser asked for no n_top and no logits, since this number takes all logits."""
    @property
    def top_ids(self) -> NDArray[np.int32]:
        """The likeliest allowed tokens, likeliest first [n_top, or as many as are allowed]."""
    @property
    def top_logprobs(self) -> NDArray[np.float32]:
        """Their log-probabilities [n_top]."""
    @property
    def logits(self) -> NDArray[np.float32] | None:
        """All logits [V], where the chooser keeps them."""
    @property
    def is_finite(self) -> bool:
        """False where a NaN or an infinity reached the head or is the token's logit."""

class Step(metaclass=_Bound):
    """The results of one call of Model.step."""

    def __init__(self, *args: Never) -> None: ...
    @property
    def choices(self) -> list[Choice]:
        """In the order of the choosers."""
    @property
    def n_bytes(self) -> int:
        """Bytes of weights, keys and values that the call had to read, including lm_head's rows."""

class Model(metaclass=_Bound):
    """Weights (borrowed, read-only arrays kept alive here) on a device, and everything to run them.

    Calls from several threads take turns. They release the GIL and poll signals (on the main thread) and
    `cancel`: after KeyboardInterrupt, Cancelled or any other exception every sequence is as before."""

    def __init__(
        self,
        config: Mapping[str, Any],
        tensors: Mapping[str, NDArray[Any]],
        *,
        device: str = "cpu",
        threads: int,
        precision: str = "exact",
        kv_format: str = "float32",
        isa: str = "",
        device_memory: int = 0,
        kv_memory: int = 0,
        host_layers: int = 0,
    ) -> None:
        """`config`: Config as a dict. `tensors`: HF name (MODEL §2.1) → C-contiguous array; bf16 as
        uint16, MXFP4 blocks and scales as uint8; and the arrays of packings(). `precision`: "exact" or
        "fast". `kv_format`: "float32", "bf16" or "int8", how keys and values are kept. `isa`: a name from
        isa_levels(), "" for OSSNB_ISA or the best. `device_memory`: the most bytes that a card gives, 0 for
        no limit. `kv_memory`: the most of these that keys and values take, 0 for no limit; where they would
        take more, those of sliding layers move to the host. `host_layers`: the first layers whose experts the
        CPU computes, where a card has no room for all. ValueError for an unknown device, precision, format or
        level, and for tensors that are missing or do not fit."""
    @property
    def device(self) -> str:
        """Name of the device: "cpu" is always there."""
    @property
    def isa(self) -> str: ...
    @property
    def threads(self) -> int: ...
    @threads.setter
    def threads(self, n: int) -> None: ...
    @property
    def n_vocab(self) -> int: ...
    @property
    def kv(self) -> KvStore:
        """The device's keys and values. Blocks of another model do not belong in it."""
    @property
    def kv_format(self) -> str: ...
    @property
    def kv_bytes_per_token(self) -> int: ...
    def sequence(self, blocks: Seq[int] = (), length: int = 0) -> Sequence:
        """Make an empty sequence, or one that shares blocks with `length` tokens and retains them. Raises
        ValueError where a block is not alive, or where the number of blocks does not fit `length` tokens."""
    def step(
        self,
        feeds: Seq[tuple[Sequence, NDArray[np.int32], int]],
        choosers: Seq[Chooser],
        cancel: CancelFlag | None = None,
    ) -> Step:
        """Append tokens to sequences in one pass and choose the tokens that follow.

        `feeds`: (sequence, its next token ids [n], how many of its last rows are wanted). `choosers`: one
        for each wanted row, in the order of the rows. ValueError for a sequence of another model or one that
        appears twice, a token outside 0..V-1, an empty id list, too many wanted rows, another number of
        choosers, or a sampler for another vocabulary."""
    def logits(
        self,
        feeds: Seq[tuple[Sequence, NDArray[np.int32], int]],
        cancel: CancelFlag | None = None,
        out: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """step() with the logits of the wanted rows in place of choices: [sum of wanted, V]. They are written
        into `out`, C-contiguous, where it is given."""
    def trace(
        self, sequence: Sequence, tokens: NDArray[np.int32], cancel: CancelFlag | None = None
    ) -> dict[str, NDArray[Any]]:
        """logits() of all rows, and what the layers did: "logits" [T, V], "hidden" [L + 1, T, D]
        (the residual stream, entry 0 the embedding), "router_logits" [L, T, E], "experts" int32 [L,
        T, A] likeliest first and "expert_weights" [L, T, A]."""

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
    def accept(self, token: int) -> None:
        """Count a chosen token for the penalties. RuntimeError while a step in another thread uses this
        sampler."""

class Packing(metaclass=_Bound):
    """One file's worth of packed copies of matrices that help a model on a device."""

    def __init__(self, *args: Never) -> None: ...
    @property
    def name(self) -> str:
        """A name for files: "bf12_attention"."""
    @property
    def text(self) -> str:
        """A description for people."""
    @property
    def without(self) -> str:
        """The behaviour of a model without such a file, for people."""
    @property
    def sources(self) -> list[str]:
        """Names of the matrices."""
    @property
    def tiles(self) -> str:
        """Suffix of the array that holds nearly all bytes: ".q8"."""
    @property
    def piece_rows(self) -> int:
        """Rows of a source that pack() should be given at a time; their arrays, in this order, are stacked.
        0: a source as a whole."""
    def n_bytes(self, rows: int, k: int) -> int:
        """Bytes of the tiles of a source [rows, k]."""
    def pack(self, w: NDArray[np.uint16], threads: int) -> dict[str, NDArray[Any]]:
        """Make the arrays of bfloat16 rows [R, K], K a multiple of 32, by their suffixes. The array of a
        matrix is called by its name and the suffix. No tiles where packing does not pay."""

def packings(config: Mapping[str, Any], precision: str, device: str = "cpu") -> list[Packing]:
    """List the packings that help a model of this shape. ValueError for an unknown device or precision."""

def checksum(data: NDArray[np.uint8], threads: int) -> int:
    """A 64-bit sum of a C-contiguous array's bytes, at memory speed. Any change of a word changes it. It does
    not protect against forgery."""

class Vocabulary(metaclass=_Bound):
    """The tokens of byte-pair encoding, in the order of their ids, all 256 bytes among them. ValueError for a
    token that is empty or comes twice."""

    def __init__(self, tokens: list[bytes]) -> None: ...
    def encode(self, pieces: list[bytes]) -> NDArray[np.int32]:
        """The ids of pieces of text, each merged for itself. The time grows as n log n with a piece's bytes.
        Releases the GIL, and polls signals on the main thread."""

class WatchedRange(metaclass=_Bound):
    """Watch an array that is mapped from a file. Where the file becomes shorter, the lost part reads as zeros
    and the process lives on; otherwise a signal (SIGBUS) would end it. Keeps no reference to the array: let
    the watch go before the mapping goes."""

    def __init__(self, data: NDArray[np.uint8]) -> None: ...
    def is_lost(self) -> bool:
        """Whether a lost part was read, by anyone. It costs less than a microsecond."""

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
    """Single kernels by level, for tests and for measuring. Nobody makes an object of this class."""

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
        isa: str, tiles: NDArray[np.uint8], k: int, x: NDArray[np.uint8], rows: NDArray[np.int32]
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
        kv: str = "float32",
    ) -> NDArray[np.float32]: ...
