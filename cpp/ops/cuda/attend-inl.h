// What all attention kernels share: a row's keys and values, and the pieces that its sums are made of.
#pragma once

#include "kernels/kernels.h"
#include "ops/cuda/numbers-inl.h"

namespace ossnb::cuda {

using kernels::kKeyTile;
using kernels::kPieceKeys;

// The first key that a row at `position` sees.
__device__ __forceinline__ int first_key(const AttendArgs& a, int position) {
  return a.window > 0 && position >= a.window ? position - a.window + 1 : 0;
}

// One head's keys and values of a sequence.
template <KvFormat kFormat>
class KvHead {
 public:
  __device__ __forceinline__ KvHead(const AttendArgs& a, int row, int head)
      : part_(a.kv.part),
        blocks_(a.rows.blocks + a.rows.first_block[row]),
        at_(a.kv.at + 2 * head * a.kv.part.bytes()) {}

  // One block's.
  struct Block {
    const std::byte *keys, *values;
  };
  __device__ __forceinline__ Block block(int key) const {
    const std::byte* keys = blocks_[key / kBlockTokens] + at_;
    return {keys, keys + part_.bytes()};
  }
  __device__ __forceinline__ float scale(const std::byte* part, int key) const {
    if constexpr (kFormat == KvFormat::int8) {
      return reinterpret_cast<const float*>(part + part_.scales_at())[key % kBlockTokens];
    } else {
      return 1;
    }
  }
  __device__ __forceinline__ float key(const std::byte* keys, int key, int d, float scale) const {
    const int slot = key % kBlockTokens;
    return number(keys, (slot / kKeyTile * part_.width + d) * kKeyTile + slot % kKeyTile, scale);
  }
  // Place of a number of a value; the next key's is width() further, within a block.
  __device__ __forceinline__ int value_at(int key, int d) const {
    return key % kBlockTokens * part_.width + d;
  }
  __device__ __forceinline__ int width() const { return part_.width; }
  __device__ __forceinline__ float number(const std::byte* part, int at, float scale) const {
    if constexpr (kFormat == KvFormat::float32) {
      return reinterpret_cast<const float*>(part)[at];
    } else if constexpr (kFormat == KvFormat::bf16) {
      return bf16_to_f32(reinterpret_cast<const bf16*>(part)[at]);
    } else {
      return __fmul_rn(static_cast<float>(reinterpret_cast<const std::int8_t*>(part)[at]), scale);
    }
  }

 private:
  const KvPart& part_;
  std::byte* const* blocks_;
  const ull at_;
};

__device__ __forceinline__ float larger(float a, float b) { return b > a ? b : a; }  // a NaN in b never wins

}  // namespace ossnb::cuda
