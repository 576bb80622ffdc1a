// AVX-512 without VNNI (Skylake-X): the integer dot product is made of pmaddubsw, whose pair sums stay below
// 6,200.
#include "kernels/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/constants.h"

#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")

namespace ossnb::kernels {
namespace avx512_level {

static inline __m512i dpbusd(__m512i sum, __m512i a, __m512i b) {
  const __m512i pairs = _mm512_maddubs_epi16(a, b);
  return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}

#include "kernels/avx512_kernels-inl.h"

}  // namespace avx512_level
}  // namespace ossnb::kernels

#pragma GCC pop_options

namespace ossnb::kernels {

const Table* avx512() {
  using namespace avx512_level;
  static const Table table = {"avx512", bf16_matmul, bf16_matmul_in_out, quantize, mxfp4_matmul, rms_norm,
                              swiglu,   attend,      avx512_level::exp,  sum_exp,  int8_peak};
  return &table;
}

}  // namespace ossnb::kernels

#else
namespace ossnb::kernels {
const Table* avx512() { return nullptr; }
}  // namespace ossnb::kernels
#endif
