// AVX-512 with VNNI: 64 products and 16 sums in one instruction.
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
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")

namespace ossnb::kernels {
namespace avx512vnni_level {

static inline __m512i dpbusd(__m512i sum, __m512i a, __m512i b) { return _mm512_dpbusd_epi32(sum, a, b); }

static inline __m512i dpbusd_wide(__m512i sum, __m512i a, __m512i b) { return dpbusd(sum, a, b); }

#include "kernels/avx512_kernels-inl.h"

}  // namespace avx512vnni_level
}  // namespace ossnb::kernels

#pragma GCC pop_options

namespace ossnb::kernels {

const Table* avx512vnni() {
  using namespace avx512vnni_level;
  static const Table table = {
      .name = "avx512vnni",
      .bf16_matmul = bf16_matmul,
      .bf16_matmul_in_out = bf16_matmul_in_out,
      .one = {quantize<Terms::one>, mxfp4_matmul<Terms::one>},
      .three = {quantize<Terms::three>, mxfp4_matmul<Terms::three>},
      .q8_pack = q8_pack,
      .q8_matmul = q8_matmul,
      .rms_norm = rms_norm,
      .swiglu = swiglu,
      .attend = attend,
      .exp = avx512vnni_level::exp,
      .sum_exp = sum_exp,
      .int8_peak = int8_peak,
  };
  return &table;
}

}  // namespace ossnb::kernels

#else
namespace ossnb::kernels {
const Table* avx512vnni() { return nullptr; }
}  // namespace ossnb::kernels
#endif
