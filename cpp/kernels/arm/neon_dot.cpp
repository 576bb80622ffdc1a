// NEON with the dot-product extension (Cortex-A76, Graviton 2, Apple and later): 16 products and 4 sums in
// one instruction.
#include "kernels/kernels.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "kernels/constants.h"

#pragma GCC push_options
#pragma GCC target("arch=armv8.2-a+dotprod")

namespace ossnb::kernels {
namespace neon_dot_level {

static inline int32x4_t dot4(int32x4_t sum, int8x16_t a, int8x16_t b) { return vdotq_s32(sum, a, b); }

static inline int32x4_t dot32(int32x4_t sum, int8x16_t e, int8x16_t o, int8x16_t xe, int8x16_t xo) {
  return vdotq_s32(vdotq_s32(sum, e, xe), o, xo);
}

#include "kernels/arm/neon_kernels-inl.h"

constexpr char kName[] = "neon_dot";
#include "kernels/level_table-inl.h"

}  // namespace neon_dot_level
}  // namespace ossnb::kernels

#pragma GCC pop_options

namespace ossnb::kernels {

const Table* neon_dot() { return &neon_dot_level::kTable; }

}  // namespace ossnb::kernels

#else
namespace ossnb::kernels {
const Table* neon_dot() { return nullptr; }
}  // namespace ossnb::kernels
#endif
