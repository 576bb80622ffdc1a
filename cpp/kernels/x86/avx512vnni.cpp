// AVX-512 with VNNI: 64 products and 16 sums in one instruction.
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
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")

namespace ossnb::kernels {
namespace avx512vnni_level {

static inline __m512i dpbusd(__m512i sum, __m512i a, __m512i b) { return _mm512_dpbusd_epi32(sum, a, b); }

static inline __m512i dpbusd_wide(__m512i sum, __m512i a, __m512i b) { return dpbusd(sum, a, b); }

#include "kernels/x86/avx512_kernels-inl.h"

constexpr char kName[] = "avx512vnni";
#include "kernels/level_table-inl.h"

}  // namespace avx512vnni_level
}  // namespace ossnb::kernels

#pragma GCC pop_options

namespace ossnb::kernels {

const Table* avx512vnni() { return &avx512vnni_level::kTable; }

}  // namespace ossnb::kernels

#else
namespace ossnb::kernels {
const Table* avx512vnni() { return nullptr; }
}  // namespace ossnb::kernels
#endif
