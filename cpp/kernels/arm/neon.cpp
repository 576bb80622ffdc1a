// NEON, which every 64-bit Arm has: bytes are multiplied to 16 bits and added in pairs to 32.
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

namespace ossnb::kernels {
namespace neon_level {

// Pairs of products are below 2^15: codes of Q8 are at most 127 in magnitude, and so are its activations.
static inline int32x4_t dot4(int32x4_t sum, int8x16_t a, int8x16_t b) {
  const int16x8_t lo = vmull_s8(vget_low_s8(a), vget_low_s8(b)), hi = vmull_high_s8(a, b);
  return vpadalq_s16(sum, vpaddq_s16(lo, hi));
}

// Four products of at most 12 * 128 fit 16 bits.
static inline int32x4_t dot32(int32x4_t sum, int8x16_t e, int8x16_t o, int8x16_t xe, int8x16_t xo) {
  int16x8_t products = vmull_s8(vget_low_s8(e), vget_low_s8(xe));
  products = vmlal_high_s8(products, e, xe);
  products = vmlal_s8(products, vget_low_s8(o), vget_low_s8(xo));
  products = vmlal_high_s8(products, o, xo);
  return vpadalq_s16(sum, products);
}

#include "kernels/arm/neon_kernels-inl.h"

constexpr char kName[] = "neon";
#include "kernels/level_table-inl.h"

}  // namespace neon_level
}  // namespace ossnb::kernels

namespace ossnb::kernels {

const Table* neon() { return &neon_level::kTable; }

}  // namespace ossnb::kernels

#else
namespace ossnb::kernels {
const Table* neon() { return nullptr; }
}  // namespace ossnb::kernels
#endif
