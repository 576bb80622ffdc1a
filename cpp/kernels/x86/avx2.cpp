// AVX2 and FMA. Integer dots go through pmaddubsw, whose pair sums stay below 6,200; sixteen-bit sums are
// kept as long as they cannot overflow, because widening costs as much as multiplying.
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

#include "kernels/x86/avx2_lanes-inl.h"

constexpr int kStepTokens = 4;

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

// Four pair sums of a row fit 16 bits (see tile_dots), so rows are interleaved before they are widened.
template <Terms terms>
static inline __m256i dot_two_rows(const __m256i (&even)[2], const __m256i (&odd)[2], const std::int8_t* q,
                                   const QuantLayout& layout) {
  __m256i sum = _mm256_setzero_si256();
#pragma GCC unroll 3
  for (int term = 0; term < static_cast<int>(terms); ++term, q += layout.term_stride) {
    const __m256i xe = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q));
    const __m256i xo = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q + layout.half_stride));
    const __m256i a = _mm256_add_epi16(_mm256_maddubs_epi16(even[0], xe), _mm256_maddubs_epi16(odd[0], xo));
    const __m256i b = _mm256_add_epi16(_mm256_maddubs_epi16(even[1], xe), _mm256_maddubs_epi16(odd[1], xo));
    const __m256i pairs = _mm256_add_epi16(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    sum = add_term<terms>(sum, term, pairs);
  }
  return sum;
}

// A word's pair sums are at most 2 * 24 * 128, so four fit in 16 bits.
template <Terms terms, int N>
static inline void tile_dots(const std::uint8_t* codes, const std::uint8_t* const (&xs)[N], int g,
                             const QuantLayout& layout, __m256i (&dot)[N][2]) {
  const auto* words = reinterpret_cast<const __m256i*>(codes);
#pragma GCC unroll 6
  for (int step = 0; step < 2 * static_cast<int>(terms); ++step) {
    const int term = step / 2, half = step % 2;
    const std::size_t at = term * layout.term_stride + half * layout.half_stride + g * 16;
    __m256i pairs[N][2];
#pragma GCC unroll 4
    for (int q = 0; q < 4; ++q) {
      __m256i w0 = words[2 * (4 * half + q)], w1 = words[2 * (4 * half + q) + 1];
      pin(w0);
      pin(w1);
#pragma GCC unroll 8
      for (int t = 0; t < N; ++t) {
        const __m256i b = broadcast4(xs[t] + at + 4 * q);
        const __m256i p0 = _mm256_maddubs_epi16(w0, b), p1 = _mm256_maddubs_epi16(w1, b);
        pairs[t][0] = q == 0 ? p0 : _mm256_add_epi16(pairs[t][0], p0);
        pairs[t][1] = q == 0 ? p1 : _mm256_add_epi16(pairs[t][1], p1);
        pin(pairs[t][0]);
        pin(pairs[t][1]);
      }
    }
#pragma GCC unroll 8
    for (int t = 0; t < N; ++t) {
#pragma GCC unroll 2
      for (int i = 0; i < 2; ++i) {
        if (half == 0) {
          dot[t][i] = add_term<terms>(dot[t][i], term, pairs[t][i]);
        } else {
          dot[t][i] = _mm256_add_epi32(dot[t][i], widened<terms>(term, pairs[t][i]));
        }
      }
    }
  }
}

// Codes and activations are at most 127 in magnitude, so a code's sign is moved to the activation and a pair
// sum still fits 16 bits.
template <int N>
static inline void q8_dots(const std::uint8_t* codes, const std::uint8_t* const (&xs)[N], int g,
                           const QuantLayout& layout, __m256i (&dot)[N][2]) {
  const __m256i lift = _mm256_set1_epi8(static_cast<char>(kQ8Lift)), ones = _mm256_set1_epi16(1);
  const auto* words = reinterpret_cast<const __m256i*>(codes);
#pragma GCC unroll 8
  for (int q = 0; q < 8; ++q) {
    __m256i w[2], magnitude[2];
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      w[i] = _mm256_xor_si256(_mm256_loadu_si256(words + 2 * q + i), lift);
      magnitude[i] = _mm256_abs_epi8(w[i]);
      pin(w[i]);
      pin(magnitude[i]);
    }
#pragma GCC unroll 8
    for (int t = 0; t < N; ++t) {
      const __m256i b = broadcast4(xs[t] + (q / 4) * layout.half_stride + g * 16 + (q % 4) * 4);
#pragma GCC unroll 2
      for (int i = 0; i < 2; ++i) {
        const __m256i pairs = _mm256_maddubs_epi16(magnitude[i], _mm256_sign_epi8(b, w[i]));
        const __m256i wide = _mm256_madd_epi16(pairs, ones);
        dot[t][i] = q == 0 ? wide : _mm256_add_epi32(dot[t][i], wide);
        pin(dot[t][i]);
      }
    }
  }
}

// Two pair sums fit 16 bits.
static inline __m256i add_pair(__m256i sum, __m256i a, __m256i xa, __m256i b, __m256i xb) {
  const __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16(a, xa), _mm256_maddubs_epi16(b, xb));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

#include "kernels/x86/avx2_kernels-inl.h"

// The mix that tile_dots multiplies with: four products to a widening. Accumulators are named one by one:
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
