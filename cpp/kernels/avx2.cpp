// AVX2 and FMA: sixteen lanes are two registers. Integer dots go through pmaddubsw, whose pair sums stay
// below 6,200.
#include "kernels/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "kernels/constants.h"

#pragma GCC push_options
#pragma GCC target("avx2,fma")

namespace ossnb::kernels {
namespace avx2_level {

constexpr int kSums = 12, kRows = 4, kTokens = 3, kHeads = 4, kWidth = 1, kPrefetchBf16 = 512,
              kPrefetchBf12 = 2048;

struct V {
  struct Part {
    __m256 v;
    static Part load(const float* p) { return {_mm256_loadu_ps(p)}; }
    static Part load_bf16(const bf16* p) { return {widen(p)}; }
    static void store(float* p, Part a) { _mm256_storeu_ps(p, a.v); }
    static Part fma(Part a, Part b, Part c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
  };
  static constexpr int kPartLanes = 8;

  __m256 lo, hi;
  static V zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static V set1(float f) { return {_mm256_set1_ps(f), _mm256_set1_ps(f)}; }
  static V load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static __m256 widen(const bf16* p) {
    const __m256i w = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(w, 16));
  }
  static V load_bf16(const bf16* p) { return {widen(p), widen(p + 8)}; }
  static V of_halves(__m256i lo, __m256i hi) { return {_mm256_castsi256_ps(lo), _mm256_castsi256_ps(hi)}; }
  static void store(float* p, V v) {
    _mm256_storeu_ps(p, v.lo);
    _mm256_storeu_ps(p + 8, v.hi);
  }
  static V fma(V a, V b, V c) {
    return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
  }
  static V add(V a, V b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
  static V sub(V a, V b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
  static V mul(V a, V b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
  static V div(V a, V b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
  static V min(V a, V b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
  static V max(V a, V b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
  static float tree(V a) {
    const __m256 eight = _mm256_add_ps(a.lo, a.hi);
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
  }
  static V nearest(V a) {
    constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    return {_mm256_round_ps(a.lo, kNearest), _mm256_round_ps(a.hi, kNearest)};
  }
  static void store_nearest_int(std::int32_t* p, V a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_cvtps_epi32(a.lo));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), _mm256_cvtps_epi32(a.hi));
  }
  static __m256 pow2_half(__m256 n) {
    const __m256i e = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(e, 23));
  }
  static V pow2(V n) { return {pow2_half(n.lo), pow2_half(n.hi)}; }
  static V greater_or_zero(V x, V limit, V v) {
    return {_mm256_and_ps(_mm256_cmp_ps(x.lo, limit.lo, _CMP_GT_OQ), v.lo),
            _mm256_and_ps(_mm256_cmp_ps(x.hi, limit.hi, _CMP_GT_OQ), v.hi)};
  }
};

#include "kernels/x86_bf12-inl.h"
// the float kernels use V and Bf12Widener
#include "kernels/float_kernels-inl.h"

// Pair sums of a term in 32 bits: the first of three terms is worth 256 of the second, and both together 256
// of the third.
template <Terms terms>
static inline __m256i widened(int term, __m256i pairs) {
  const bool first_of_three = terms == Terms::three && term == 0;
  return _mm256_madd_epi16(pairs, _mm256_set1_epi16(first_of_three ? 256 : 1));
}

// A term's first pair sums beside those of the terms before it.
template <Terms terms>
static inline __m256i add_term(__m256i sum, int term, __m256i pairs) {
  const __m256i wide = widened<terms>(term, pairs);
  return term == 0 ? wide : _mm256_add_epi32(term == 2 ? _mm256_slli_epi32(sum, 8) : sum, wide);
}

// Integer dots of two groups (one 32-byte load) with one row of activations: eight lanes, four for each
// group.
template <Terms terms>
static inline __m256i dot_pair(__m256i even, __m256i odd, const std::int8_t* q, const QuantLayout& layout) {
  __m256i sum = _mm256_setzero_si256();
#pragma GCC unroll 3
  for (int term = 0; term < static_cast<int>(terms); ++term, q += layout.term_stride) {
    const __m256i xe = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q));
    const __m256i xo = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q + layout.half_stride));
    const __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16(even, xe), _mm256_maddubs_epi16(odd, xo));
    sum = add_term<terms>(sum, term, pairs);
  }
  return sum;
}

// Sums the four lanes of each half of a, b, c, d: half i becomes [a_i b_i c_i d_i].
static inline __m256i sum_halves(__m256i a, __m256i b, __m256i c, __m256i d) {
  const __m256i ab = _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
  const __m256i cd = _mm256_add_epi32(_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
  return _mm256_add_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
}

// Two 32-bit values, each to the four lanes of one half.
static inline __m256i spread2(const void* two) {
  return _mm256_permutevar8x32_epi32(
      _mm256_castsi128_si256(_mm_loadl_epi64(static_cast<const __m128i*>(two))),
      _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
}

static inline __m256i lifted_table() {
  return _mm256_broadcastsi128_si256(
      _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
}

// The scale bytes of four groups of four rows, [group, row]; what lies past the last group is zero.
static inline __m128i scale_bytes(const std::uint8_t* scales, int g, int n_groups) {
  std::int32_t s[4] = {};
  const std::size_t left = std::min(4, n_groups - g);
  for (int r = 0; r < 4; ++r) {
    const std::uint8_t* p = scales + static_cast<std::size_t>(r) * n_groups + g;
    left == 4 ? std::memcpy(&s[r], p, 4) : std::memcpy(&s[r], p, left);
  }
  return _mm_shuffle_epi8(_mm_setr_epi32(s[0], s[1], s[2], s[3]),
                          _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
}

static inline __m256 e8m0_to_f32(__m128i bytes) {  // the lower eight
  const __m256i bits = _mm256_slli_epi32(_mm256_cvtepu8_epi32(bytes), 23);
  return _mm256_castsi256_ps(_mm256_max_epi32(bits, _mm256_set1_epi32(0x00400000)));
}

// Four rows by one to two tokens straight from the checkpoint's layout.
template <Terms terms, int N>
[[gnu::noinline]] static void mxfp4_rows4(const std::uint8_t* blocks, const std::uint8_t* scales,
                                          const QuantLayout& layout, const QuantRows& x, int t0, float* y,
                                          std::size_t y_stride) {
  const __m256i nibble = _mm256_set1_epi8(15), table = lifted_table();
  const std::size_t row_bytes = static_cast<std::size_t>(layout.n_groups) * kGroupBytes;
  __m256 part[N][2];  // groups 0, 1 and groups 2, 3 (mod 4); four rows in each half
  const std::uint8_t* xs[N];
  for (int t = 0; t < N; ++t) {
    part[t][0] = part[t][1] = _mm256_setzero_ps();
    xs[t] = x.row(t0 + t, layout.bytes);
  }
  const auto two_groups = [&]<int at>(int g, __m128i scale) {  // g + 2 * at and the next, if it is there
    g += 2 * at;
    __m256i dot[N][4];
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r) {
      const std::uint8_t* p = blocks + r * row_bytes + static_cast<std::size_t>(g) * kGroupBytes;
      __builtin_prefetch(p + 4 * row_bytes);  // the next four rows
      const __m256i b = g + 1 < layout.n_groups
                            ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))
                            : _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
      const __m256i even = _mm256_shuffle_epi8(table, _mm256_and_si256(b, nibble));
      const __m256i odd = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(b, 4), nibble));
      for (int t = 0; t < N; ++t) {
        dot[t][r] = dot_pair<terms>(even, odd, reinterpret_cast<const std::int8_t*>(xs[t]) + g * 16, layout);
      }
    }
    const __m256 ws = e8m0_to_f32(at ? _mm_srli_si128(scale, 8) : scale);
    for (int t = 0; t < N; ++t) {
      const __m256i sums = spread2(xs[t] + layout.sum_offset + g * 4);
      const __m256 unit = _mm256_castsi256_ps(spread2(xs[t] + layout.scale_offset + g * 4));
      const __m256i sum = _mm256_add_epi32(sum_halves(dot[t][0], dot[t][1], dot[t][2], dot[t][3]),
                                           _mm256_mullo_epi32(sums, _mm256_set1_epi32(kLift)));
      part[t][at] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), _mm256_mul_ps(ws, unit), part[t][at]);
    }
  };
  for (int g = 0; g < layout.n_groups; g += 4) {
    const __m128i scale = scale_bytes(scales, g, layout.n_groups);
    two_groups.template operator()<0>(g, scale);
    if (g + 2 < layout.n_groups) two_groups.template operator()<1>(g, scale);
  }
  for (int t = 0; t < N; ++t) {
    const auto halves = [](__m256 p) {
      return _mm_add_ps(_mm256_castps256_ps128(p), _mm256_extractf128_ps(p, 1));
    };
    _mm_storeu_ps(y + t * y_stride, _mm_add_ps(halves(part[t][0]), halves(part[t][1])));
  }
}

#include "kernels/avx2_tiles-inl.h"

// Up to so many tokens the weights are used where they lie; beyond, expanding a tile pays.
constexpr int kFewTokens = 2;

template <Terms terms>
static void mxfp4_matmul(const std::uint8_t* blocks, const std::uint8_t* scales, int n_rows, int k,
                         QuantRows x, float* y, std::size_t y_stride, std::uint8_t* scratch) {
  const QuantLayout layout(k, terms);
  int r = 0;
  if (x.n > kFewTokens) {
    const Tile tile(scratch, k);
    for (; r + kTileRows <= n_rows; r += kTileRows) {
      const std::size_t group = static_cast<std::size_t>(r) * layout.n_groups;
      expand_tile(blocks + group * kGroupBytes, scales + group, layout.n_groups, tile);
      for_steps<kStepTokens>(x.n, [&]<int N>(int t) {
        tile_tokens<terms, N>(tile, layout, x, t, y + t * y_stride + r, y_stride);
      });
    }
  }
  for (; r + 4 <= n_rows; r += 4) {
    const std::size_t group = static_cast<std::size_t>(r) * layout.n_groups;
    const std::uint8_t *b = blocks + group * kGroupBytes, *s = scales + group;
    int t = 0;
    for (; t + 2 <= x.n; t += 2) mxfp4_rows4<terms, 2>(b, s, layout, x, t, y + t * y_stride + r, y_stride);
    if (t < x.n) mxfp4_rows4<terms, 1>(b, s, layout, x, t, y + t * y_stride + r, y_stride);
  }
  if (r < n_rows) {
    const std::size_t group = static_cast<std::size_t>(r) * layout.n_groups;
    reference().integer(terms).mxfp4_matmul(blocks + group * kGroupBytes, scales + group, n_rows - r, k, x,
                                            y + r, y_stride, scratch);
  }
}

// The mix that tile_tokens multiplies with: four products to a widening. Accumulators are named one by one:
// in an array the compiler keeps them in memory.
#define OSSNB_EACH(X) X(0) X(1) X(2) X(3) X(4) X(5)
static double int8_peak(long n) {
  __m256i a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(1), ones = _mm256_set1_epi16(1);
#define OSSNB_DECLARE(i) __m256i acc##i = _mm256_setzero_si256();
  OSSNB_EACH(OSSNB_DECLARE)
  for (long i = 0; i < n; ++i) {
#define OSSNB_STEP(i)                                                   \
  __m256i pairs##i = _mm256_maddubs_epi16(a, b);                        \
  for (int j = 0; j < 3; ++j) {                                         \
    asm volatile("" : "+x"(pairs##i), "+x"(a));                         \
    pairs##i = _mm256_add_epi16(pairs##i, _mm256_maddubs_epi16(a, b));  \
  }                                                                     \
  acc##i = _mm256_add_epi32(acc##i, _mm256_madd_epi16(pairs##i, ones)); \
  asm volatile("" : "+x"(acc##i), "+x"(a));
    OSSNB_EACH(OSSNB_STEP)
  }
  return 6 * 4 * 32 * 2;
}
#undef OSSNB_EACH
#undef OSSNB_DECLARE
#undef OSSNB_STEP

constexpr char kName[] = "avx2";
#include "kernels/level_table-inl.h"

}  // namespace avx2_level
}  // namespace ossnb::kernels

#pragma GCC pop_options

namespace ossnb::kernels {

const Table* avx2() { return &avx2_level::kTable; }

}  // namespace ossnb::kernels

#else
namespace ossnb::kernels {
const Table* avx2() { return nullptr; }
}  // namespace ossnb::kernels
#endif
