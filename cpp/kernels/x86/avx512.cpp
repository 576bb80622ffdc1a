// AVX-512 without VNNI (Skylake-X): the integer dot product is made of pmaddubsw, whose pair sums stay below
// 6,200.
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
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")

namespace ossnb::kernels {
namespace avx512_level {

static inline __m512i dpbusd(__m512i sum, __m512i a, __m512i b) {
  const __m512i pairs = _mm512_maddubs_epi16(a, b);
  return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}

// 255 * 127 twice passes 16 bits, so even and odd bytes are multiplied as words.
static inline __m512i dpbusd_wide(__m512i sum, __m512i a, __m512i b) {
  const __m512i even = _mm512_madd_epi16(_mm512_and_si512(a, _mm512_set1_epi16(255)),
                                         _mm512_srai_epi16(_mm512_slli_epi16(b, 8), 8));
  const __m512i odd = _mm512_madd_epi16(_mm512_srli_epi16(a, 8), _mm512_srai_epi16(b, 8));
  return _mm512_add_epi32(sum, _mm512_add_epi32(even, odd));
}

#include "kernels/x86/avx512_kernels-inl.h"

constexpr char kName[] = "avx512";
#include "kernels/level_table-inl.h"

}  // namespace avx512_level
}  // namespace ossnb::kernels

#pragma GCC pop_options

namespace ossnb::kernels {

const Table* avx512() { return &avx512_level::kTable; }

}  // namespace ossnb::kernels

#else
namespace ossnb::kernels {
const Table* avx512() { return nullptr; }
}  // namespace ossnb::kernels
#endif
