// AVX-VNNI: AVX2 with 32 products and 8 sums in one instruction, on processors without AVX-512 (Alder Lake
// and later).
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
#pragma GCC target("avx2,fma,avxvnni")

namespace ossnb::kernels {
namespace avxvnni_level {

#include "kernels/x86/avx2_lanes-inl.h"

constexpr int kStepTokens = 6;

static inline __m256i dpbusd(__m256i sum, __m256i a, __m256i b) { return _mm256_dpbusd_avx_epi32(sum, a, b); }

template <Terms terms>
static inline __m256i dot_two_rows(const __m256i (&even)[2], const __m256i (&odd)[2], const std::int8_t* q,
                                   const QuantLayout& layout) {
  __m256i a = _mm256_setzero_si256(), b = _mm256_setzero_si256();
#pragma GCC unroll 3
  for (int term = 0; term < static_cast<int>(terms); ++term, q += layout.term_stride) {
    const __m256i xe = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q));
    const __m256i xo = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q + layout.half_stride));
    if (term > 0) {
      a = _mm256_slli_epi32(a, 8);
      b = _mm256_slli_epi32(b, 8);
    }
    a = dpbusd(dpbusd(a, even[0], xe), odd[0], xo);
    b = dpbusd(dpbusd(b, even[1], xe), odd[1], xo);
  }
  return _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
}

// Adds the products of the eight words of a group from `at` of each token on.
template <int N>
static inline void add_words(const std::uint8_t* codes, const std::uint8_t* const (&xs)[N], std::size_t at,
                             const QuantLayout& layout, __m256i (&dot)[N][2]) {
  const auto* words = reinterpret_cast<const __m256i*>(codes);
#pragma GCC unroll 8
  for (int q = 0; q < 8; ++q) {
    __m256i w0 = _mm256_loadu_si256(words + 2 * q), w1 = _mm256_loadu_si256(words + 2 * q + 1);
    pin(w0);
    pin(w1);
#pragma GCC unroll 8
    for (int t = 0; t < N; ++t) {
      const __m256i b = broadcast4(xs[t] + at + q / 4 * layout.half_stride + q % 4 * 4);
      dot[t][0] = dpbusd(dot[t][0], w0, b);
      dot[t][1] = dpbusd(dot[t][1], w1, b);
      pin(dot[t][0]);
      pin(dot[t][1]);
    }
  }
}

template <Terms terms, int N>
static inline void tile_dots(const std::uint8_t* codes, const std::uint8_t* const (&xs)[N], int g,
                             const QuantLayout& layout, __m256i (&dot)[N][2]) {
#pragma GCC unroll 8
  for (int t = 0; t < N; ++t) dot[t][0] = dot[t][1] = _mm256_setzero_si256();
#pragma GCC unroll 3
  for (int term = 0; term < static_cast<int>(terms); ++term) {
#pragma GCC unroll 8
    for (int t = 0; t < N && term > 0; ++t) {
      dot[t][0] = _mm256_slli_epi32(dot[t][0], 8);
      dot[t][1] = _mm256_slli_epi32(dot[t][1], 8);
    }
    add_words(codes, xs, term * layout.term_stride + static_cast<std::size_t>(g) * 16, layout, dot);
  }
}

template <int N>
static inline void q8_dots(const std::uint8_t* codes, const std::uint8_t* const (&xs)[N], int g,
                           const QuantLayout& layout, __m256i (&dot)[N][2]) {
#pragma GCC unroll 8
  for (int t = 0; t < N; ++t) {
    const std::int32_t sum = reinterpret_cast<const std::int32_t*>(xs[t] + layout.sum_offset)[g];
    dot[t][0] = dot[t][1] = _mm256_set1_epi32(kQ8Lift * sum);
  }
  add_words(codes, xs, static_cast<std::size_t>(g) * 16, layout, dot);
}

static inline __m256i add_pair(__m256i sum, __m256i a, __m256i xa, __m256i b, __m256i xb) {
  return dpbusd(dpbusd(sum, a, xa), b, xb);
}

#include "kernels/x86/avx2_kernels-inl.h"

using Bytes = __m256i;
#include "kernels/x86/peak-inl.h"

constexpr char kName[] = "avxvnni";
#include "kernels/level_table-inl.h"

}  // namespace avxvnni_level
}  // namespace ossnb::kernels

#pragma GCC pop_options

namespace ossnb::kernels {

const Table* avxvnni() { return &avxvnni_level::kTable; }

}  // namespace ossnb::kernels

#else
namespace ossnb::kernels {
const Table* avxvnni() { return nullptr; }
}  // namespace ossnb::kernels
#endif
