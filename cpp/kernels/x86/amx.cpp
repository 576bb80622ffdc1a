// AMX: one instruction multiplies 16 tokens by 16 rows of weights, 16 x 16 x 64 byte products. The AVX-512
// VNNI level does everything but the integer products of several tokens.
#include "kernels/kernels.h"

// GCC's intrinsics name registers in assembler text, so a register has to be a literal in the source.
#if defined(__x86_64__) && defined(__linux__)
#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/constants.h"

#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi,amx-tile,amx-int8")

namespace ossnb::kernels {
namespace amx_level {

#include "kernels/x86/avx512_expand-inl.h"

constexpr int kSide = 16;                   // tokens and rows of a block of products
constexpr int kTileBytes = kSide * kGroup;  // of a group of 16 rows or tokens

// For fewer tokens the kernels without tiles are faster.
constexpr int kFewTokens = 2;

// Up to sixteen tokens' activations, in the tile unit's layout.
struct Block {
  int n;               // tokens
  std::int8_t* codes;  // [n_stored, n_terms, 16 tokens, 32]: even inputs first
  float* units;        // [n_stored / 16, 16 tokens, 16 groups]

  // Where token 0 has its unit of group g; those of the others follow 16 places on.
  static std::size_t at(int g) { return static_cast<std::size_t>(g) / 16 * (kSide * 16) + g % 16; }
};

// The content of a worker's scratch: sixteen rows of weights and kHeldTokens of activations.
struct Scratch {
  std::uint8_t* codes;  // [n_stored, 8 words, 16 rows, 4], groups in the order in which they are multiplied
  float* scales;        // [n_stored, 16 rows]
  std::uint8_t* blocks;
  std::size_t code_bytes, block_bytes;

  Scratch(std::uint8_t* at, const QuantLayout& layout)
      : code_bytes(static_cast<std::size_t>(layout.n_stored) * layout.n_terms * kTileBytes),
        block_bytes(code_bytes + static_cast<std::size_t>(layout.n_stored) * kSide * sizeof(float)) {
    const auto start = (reinterpret_cast<std::uintptr_t>(at) + 63) / 64 * 64;
    codes = reinterpret_cast<std::uint8_t*>(start);
    scales = reinterpret_cast<float*>(codes + static_cast<std::size_t>(layout.n_stored) * kTileBytes);
    blocks = reinterpret_cast<std::uint8_t*>(scales + static_cast<std::size_t>(layout.n_stored) * kSide);
  }
  Block block(int i, int n) const {
    std::uint8_t* at = blocks + i * block_bytes;
    return {n, reinterpret_cast<std::int8_t*>(at), reinterpret_cast<float*>(at + code_bytes)};
  }
};

// Lays out tokens t0 .. t0 + block.n.
static void lay_out(const QuantLayout& layout, const QuantRows& x, int t0, const Block& block) {
  const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
  const __m512i second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  const std::size_t step = static_cast<std::size_t>(layout.n_terms) * kTileBytes;
  const std::uint8_t* rows[kSide];
  for (int t = 0; t < block.n; ++t) rows[t] = x.row(t0 + t, layout.bytes);
  for (int g = 0; g < layout.n_stored; g += 4) {  // places past the last group are zero
    for (int term = 0; term < layout.n_terms; ++term) {
      std::int8_t* to = block.codes + g * step + term * kTileBytes;
      for (int t = 0; t < block.n; ++t, to += kGroup) {
        const std::uint8_t* even = rows[t] + term * layout.term_stride + g * 16;
        const __m512i e = _mm512_loadu_si512(even), o = _mm512_loadu_si512(even + layout.half_stride);
        const __m512i two[2] = {_mm512_permutex2var_epi64(e, first, o),
                                _mm512_permutex2var_epi64(e, second, o)};
        for (int i = 0; i < 2; ++i) {
          auto* group = reinterpret_cast<__m256i*>(to + 2 * i * step);
          auto* next = reinterpret_cast<__m256i*>(to + (2 * i + 1) * step);
          _mm256_store_si256(group, _mm512_castsi512_si256(two[i]));
          _mm256_store_si256(next, _mm512_extracti64x4_epi64(two[i], 1));
        }
      }
    }
  }
  for (int g = 0; g < layout.n_stored; g += 16) {
    for (int t = 0; t < block.n; ++t)
      std::memcpy(block.units + Block::at(g) + t * 16, rows[t] + layout.scale_offset + g * 4, 64);
  }
}

// The compiler does not know which memory the instructions of the tile unit read. It would keep that data in
// registers, or drop it.
static inline void in_memory(const void* p) { asm volatile("" : : "r"(p) : "memory"); }

// The tile unit, in use from here to the end of a scope. Its registers: 0 to 2 and 3 to 5 sums of two groups
// in turn, a term each, 6 activations, 7 weights.
class TileUnit {
 public:
  explicit TileUnit(int tokens) {
    Shapes shapes;
    std::fill_n(shapes.rows, 7, static_cast<std::uint8_t>(tokens));
    shapes.rows[7] = kGroup / 4;
    in_memory(&shapes);
    _tile_loadconfig(&shapes);
  }
  ~TileUnit() { _tile_release(); }
  TileUnit(const TileUnit&) = delete;
  TileUnit& operator=(const TileUnit&) = delete;

 private:
  struct alignas(64) Shapes {
    std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, kGroup, 64};
    std::uint8_t rows[16] = {};
  };
};

// f<0>(), f<1>(), ... f<N - 1>(): in a plain loop the compiler keeps arrays of sums in memory.
#define OSSNB_INLINE __attribute__((always_inline))
template <int N, class F>
OSSNB_INLINE static inline void each(F f) {
  [&]<int... i>(std::integer_sequence<int, i...>)
      OSSNB_INLINE { (f.template operator()<i>(), ...); }(std::make_integer_sequence<int, N>());
}

// Sums of a group, [n_terms, 16 tokens, 16 rows].
using Sums = std::int32_t[3][kSide][kSide];

// Multiplies a group of a block by sixteen rows, a register of 0 to 2 (or 3 to 5) for each term. Between them
// the sums of the group before are stored from the other registers, and rest() does other work: stores fill
// the queue, and work behind all of them would have to wait.
#define OSSNB_TERM(to, from, term)                 \
  _tile_zero(to);                                  \
  _tile_loadd(6, x + (term) * kTileBytes, kGroup); \
  _tile_dpbssd(to, 6, 7);                          \
  _tile_stored(from, before[term], 64);            \
  rest.template operator()<term>();
#define OSSNB_STEP(to0, to1, to2, from0, from1, from2)                                                  \
  template <Terms terms, class Rest>                                                                    \
  OSSNB_INLINE static inline void step_##to0(const std::int8_t* x, const std::uint8_t* w, Sums& before, \
                                             Rest rest) {                                               \
    _tile_loadd(7, w, 64);                                                                              \
    OSSNB_TERM(to0, from0, 0)                                                                           \
    if constexpr (terms == Terms::three) {                                                              \
      OSSNB_TERM(to1, from1, 1)                                                                         \
      OSSNB_TERM(to2, from2, 2)                                                                         \
    }                                                                                                   \
  }
OSSNB_STEP(0, 1, 2, 3, 4, 5)
OSSNB_STEP(3, 4, 5, 0, 1, 2)
#undef OSSNB_STEP
#undef OSSNB_TERM

// Groups are multiplied in passes, 0, passes, 2 * passes, ... and then 1, passes + 1, ... This gives the
// number of the next group. After the last group it gives 0, which nobody uses.
template <int passes>
static inline int group_after(int g, int n_groups) {
  if (g + passes < n_groups) return g + passes;
  const int pass = g % passes + 1;
  return pass < passes && pass < n_groups ? pass : 0;
}

// Brings bytes into the second level of the cache.
static inline void fetch(const std::uint8_t* at, std::size_t n) {
  for (std::size_t i = 0; i < n; i += 64) _mm_prefetch(reinterpret_cast<const char*>(at + i), _MM_HINT_T1);
}

// Sixteen rows of a matrix in MXFP4, and the way from their bytes to those of a tile.
struct Mxfp4Rows {
  static constexpr int kPasses = 4;  // sums of groups 0, 1, 2, 3 (mod 4): the written order

  const std::uint8_t *blocks, *scales;
  int n_groups, n;  // n: how many rows count, all sixteen
  // Twice the E2M1 values. Six bits of a byte are the index into the table. It has the same value for all
  // settings of the upper two.
  __m512i table;

  Mxfp4Rows(const std::uint8_t* b, const std::uint8_t* s, int n_groups)
      : blocks(b),
        scales(s),
        n_groups(n_groups),
        n(kSide),
        table(
            _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12))) {}

  __m512i low(__m512i v) const { return _mm512_permutexvar_epi8(v, table); }
  __m512i high(__m512i v) const { return low(_mm512_srli_epi16(v, 4)); }

  void expand(int g, std::uint8_t* codes) const {
    expand_group(blocks + g * kGroupBytes, static_cast<std::size_t>(n_groups) * kGroupBytes, *this, codes);
  }
  void store_scales(float* to) const { expand_scales(scales, n_groups, to, kSide); }
  void fetch_part(int i) const {  // of n_groups
    constexpr std::size_t kPart = kSide * kGroupBytes;
    fetch(blocks + i * kPart, kPart);
    if (i % (64 / kSide) == 0) fetch(scales + i * kSide, 64);
  }
};

// The same for a tile of Q8. Its words have the tile unit's layout, but are lifted.
struct Q8Rows {
  static constexpr int kPasses = 1;

  const std::uint8_t* tile;
  int n_groups, n;

  void expand(int g, std::uint8_t* codes) const {
    const __m512i lift = _mm512_set1_epi8(static_cast<char>(kQ8Lift));
    const std::uint8_t* from = tile + static_cast<std::size_t>(g) * kTileBytes;
    for (int i = 0; i < kTileBytes; i += 64)
      _mm512_store_si512(codes + i, _mm512_xor_si512(_mm512_loadu_si512(from + i), lift));
  }
  void store_scales(float* to) const {
    const auto* scales =
        reinterpret_cast<const __m256i*>(tile + static_cast<std::size_t>(n_groups) * kTileBytes);
    for (int g = 0; g < n_groups; ++g) {
      const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(scales + g));
      _mm512_store_ps(to + g * kSide, _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16)));
    }
  }
  void fetch_part(int i) const {
    constexpr std::size_t kPart = q8_tile_bytes(kGroup);
    fetch(tile + i * kPart, kPart);
  }
};

// The number of groups by which expanding the codes runs ahead of multiplying them. And the number of groups
// of codes that are kept where nobody needs them again: few, so that they stay in the first level of the
// cache.
constexpr int kAhead = 6, kFewCodes = 16;

// A block by sixteen rows, to y. Three groups are at work at a time: one is multiplied, the integers of
// another are stored, and those of the third become floats. The first block of some rows expands their codes
// on the way, beside the tile unit's work, and fetches those of `next`, if any; for later blocks the codes
// are there.
template <Terms terms, int N, bool first, class Rows>
[[gnu::noinline]] static void multiply_block(const Rows& rows, const Rows* next, bool only,
                                             const Scratch& scratch, const Block& block, float* y,
                                             std::size_t y_stride) {
  constexpr int kTerms = static_cast<int>(terms), kPasses = Rows::kPasses;
  const int n_groups = rows.n_groups;
  const unsigned kept = only ? kFewCodes - 1 : ~0u;
  const auto codes = [&](int i) OSSNB_INLINE {  // of the i-th group to be multiplied
    return scratch.codes + static_cast<std::size_t>(static_cast<unsigned>(i) & kept) * kTileBytes;
  };
  const auto after = [&](int g) OSSNB_INLINE { return group_after<kPasses>(g, n_groups); };
  int position = 0, group = 0;
  const auto expand = [&]() OSSNB_INLINE {
    if (!first || position == n_groups) return;
    rows.expand(group, codes(position));
    if (next) next->fetch_part(position);
    ++position;
    group = after(group);
  };
  if (first) {
    rows.store_scales(scratch.scales);
    for (int i = 0; i < kAhead; ++i) expand();
    in_memory(scratch.codes);
  }

  alignas(64) Sums sums[2];
  alignas(64) float part[kPasses][N][kSide];
  if (n_groups < kPasses) std::memset(part, 0, sizeof(part));
  __m512 acc[N];
  each<N>([&]<int t>() OSSNB_INLINE { acc[t] = _mm512_setzero_ps(); });
  const auto x = [&](int g) OSSNB_INLINE {
    return block.codes + static_cast<std::size_t>(g) * (kTerms * kTileBytes);
  };
  // The work beside a term: a share of the tokens of group g.
  const auto add = [&](int g, const Sums& sums) OSSNB_INLINE {
    const __m512 ws = _mm512_load_ps(scratch.scales + g * kSide);
    const float* units = block.units + Block::at(g);
    return [&, ws, units]<int term>() OSSNB_INLINE {
      constexpr int from = term * N / kTerms, to = (term + 1) * N / kTerms;
      each<to - from>([&]<int i>() OSSNB_INLINE {
        constexpr int t = from + i;
        __m512i d = _mm512_load_si512(sums[0][t]);
        if constexpr (terms == Terms::three) {
          d = _mm512_add_epi32(_mm512_slli_epi32(d, 8), _mm512_load_si512(sums[1][t]));
          d = _mm512_add_epi32(_mm512_slli_epi32(d, 8), _mm512_load_si512(sums[2][t]));
        }
        const __m512 scale = _mm512_mul_ps(ws, _mm512_set1_ps(units[t * 16]));
        acc[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(d), scale, acc[t]);
      });
    };
  };
  const auto nothing = []<int>() OSSNB_INLINE {};
  int adding = 0, storing = after(adding), multiplied = after(storing);
  step_0<terms>(x(adding), codes(0), sums[1], nothing);
  step_3<terms>(x(storing), codes(1), sums[0], nothing);
  const auto move_on = [&]() OSSNB_INLINE {
    if (adding + kPasses >= n_groups) {  // the last of its pass
      each<N>([&]<int t>() OSSNB_INLINE {
        _mm512_store_ps(part[adding % kPasses][t], acc[t]);
        acc[t] = _mm512_setzero_ps();
      });
    }
    adding = storing;
    storing = multiplied;
    multiplied = after(multiplied);
  };
  for (int i = 0; i < n_groups; i += 2) {
    expand();
    step_0<terms>(x(multiplied), codes(i + 2), sums[1], add(adding, sums[0]));
    move_on();
    if (i + 1 == n_groups) break;
    expand();
    step_3<terms>(x(multiplied), codes(i + 3), sums[0], add(adding, sums[1]));
    move_on();
  }

  const auto valid = static_cast<__mmask16>((1u << rows.n) - 1);
  for (int t = 0; t < block.n; ++t) {
    __m512 sum = _mm512_load_ps(part[0][t]);
    if constexpr (kPasses == 4) {
      const auto load = [&](int j) { return _mm512_load_ps(part[j][t]); };
      sum = _mm512_add_ps(_mm512_add_ps(sum, load(1)), _mm512_add_ps(load(2), load(3)));
    }
    _mm512_mask_storeu_ps(y + t * y_stride, valid, sum);
  }
}

// Calls use<N>() with a compiled number of tokens that n fits into.
template <class Use>
static inline void with_tokens(int n, Use use) {
  n <= 4    ? use.template operator()<4>()
  : n <= 8  ? use.template operator()<8>()
  : n <= 12 ? use.template operator()<12>()
            : use.template operator()<16>();
}

// All tokens by n_tiles times sixteen rows, rows_at(i), up to kHeldTokens of the tokens at a time.
template <Terms terms, class RowsAt>
static void multiply(const QuantLayout& layout, const QuantRows& x, int n_tiles, RowsAt rows_at, float* y,
                     std::size_t y_stride, std::uint8_t* at) {
  const Scratch scratch(at, layout);
  const auto first = rows_at(0);
  for (int i = 0; i < layout.n_groups; ++i) first.fetch_part(i);
  for (int t = 0; t < x.n; t += kHeldTokens) {
    const int held = std::min(kHeldTokens, x.n - t), n_blocks = (held + kSide - 1) / kSide;
    const auto block = [&](int b) { return scratch.block(b, std::min(kSide, held - b * kSide)); };
    for (int b = 0; b < n_blocks; ++b) lay_out(layout, x, t + b * kSide, block(b));
    in_memory(scratch.blocks);
    const TileUnit unit(std::min(kSide, (held + 3) / 4 * 4));
    for (int i = 0; i < n_tiles; ++i) {
      const auto rows = rows_at(i), further = rows_at(i + 1);
      const auto* next = i + 1 < n_tiles ? &further : nullptr;
      for (int b = 0; b < n_blocks; ++b) {
        const Block tokens = block(b);
        float* to = y + (t + b * kSide) * y_stride + i * kSide;
        with_tokens(tokens.n, [&]<int N>() {
          if (b == 0) {
            multiply_block<terms, N, true>(rows, next, n_blocks == 1, scratch, tokens, to, y_stride);
          } else {
            multiply_block<terms, N, false>(rows, next, false, scratch, tokens, to, y_stride);
          }
        });
      }
    }
  }
}

template <Terms terms>
static void mxfp4_matmul(const std::uint8_t* blocks, const std::uint8_t* scales, int n_rows, int k,
                         QuantRows x, float* y, std::size_t y_stride, std::uint8_t* scratch) {
  const QuantLayout layout(k, terms);
  const auto group = [&](int r) { return static_cast<std::size_t>(r) * layout.n_groups; };
  const int whole = x.n > kFewTokens ? n_rows / kSide * kSide : 0;
  const auto rows = [&](int i) {
    return Mxfp4Rows(blocks + group(i * kSide) * kGroupBytes, scales + group(i * kSide), layout.n_groups);
  };
  if (whole > 0) multiply<terms>(layout, x, whole / kSide, rows, y, y_stride, scratch);
  if (whole < n_rows) {
    avx512vnni()->integer(terms).mxfp4_matmul(blocks + group(whole) * kGroupBytes, scales + group(whole),
                                              n_rows - whole, k, x, y + whole, y_stride, scratch);
  }
}

static void q8_matmul(const std::uint8_t* tiles, int n_rows, int k, QuantRows x, float* y,
                      std::size_t y_stride, std::uint8_t* scratch) {
  if (x.n <= kFewTokens) return avx512vnni()->q8_matmul(tiles, n_rows, k, x, y, y_stride, scratch);
  const QuantLayout layout(k, Terms::one);
  const auto rows = [&](int i) {
    return Q8Rows{tiles + i * q8_tile_bytes(k), layout.n_groups, std::min(kSide, n_rows - i * kSide)};
  };
  multiply<Terms::one>(layout, x, (n_rows + kSide - 1) / kSide, rows, y, y_stride, scratch);
}

static double int8_peak(long n) {
  const TileUnit unit(kSide);
  alignas(64) const std::uint8_t bytes[16 * 64] = {};
  in_memory(bytes);
  _tile_loadd(6, bytes, 64);
  _tile_loadd(7, bytes, 64);
  for (long i = 0; i < n; ++i) {
    _tile_dpbssd(0, 6, 7);
    _tile_dpbssd(1, 6, 7);
    _tile_dpbssd(2, 6, 7);
    _tile_dpbssd(3, 6, 7);
  }
  return 4.0 * kSide * kSide * kGroup * 2;
}

}  // namespace amx_level
}  // namespace ossnb::kernels

#pragma GCC pop_options

namespace ossnb::kernels {

const Table* amx() {
  static const Table table = [] {
    Table t = *avx512vnni();
    t.name = "amx";
    t.one.mxfp4_matmul = amx_level::mxfp4_matmul<Terms::one>;
    t.three.mxfp4_matmul = amx_level::mxfp4_matmul<Terms::three>;
    t.q8_matmul = amx_level::q8_matmul;
    t.int8_peak = amx_level::int8_peak;
    return t;
  }();
  return &table;
}

}  // namespace ossnb::kernels

#else
namespace ossnb::kernels {
const Table* amx() { return nullptr; }
}  // namespace ossnb::kernels
#endif
