// What the choice from all logits and the screen share: the best of many.
#pragma once

#include "choice/noise.h"
#include "ops/cuda/numbers-inl.h"

namespace ossnb::cuda {

__device__ __forceinline__ double lowest() { return -__longlong_as_double(0x7ff0000000000000LL); }

// The higher score; of equals the lower token.
__device__ __forceinline__ PickPart better(const PickPart& a, const PickPart& b) {
  const bool takes_b =
      b.token >= 0 && (a.token < 0 || b.score > a.score || (b.score == a.score && b.token < a.token));
  return takes_b ? b : a;
}

// The best of a block's threads, for its first thread. `shared` has a place for each warp.
__device__ __forceinline__ PickPart best_of_block(PickPart best, PickPart* shared) {
#pragma unroll
  for (int half = 16; half >= 1; half /= 2) {
    const PickPart other = {__shfl_xor_sync(kWhole, best.score, half),
                            __shfl_xor_sync(kWhole, best.token, half)};
    best = better(best, other);
  }
  __syncthreads();
  if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = best;
  __syncthreads();
  for (int w = 0; threadIdx.x == 0 && w < static_cast<int>(blockDim.x / kWarp); ++w)
    best = better(best, shared[w]);
  return best;
}

__device__ __forceinline__ bool allows(const PickRow& row, int token) {
  return !row.mask || row.mask[token / 32] >> (token % 32) & 1;
}

// Keeps a block's best in parts[row, block]; gives the row's best to the first thread of its last block, and
// -2 to all other threads.
__device__ __forceinline__ PickPart best_of_row(PickPart* all_parts, unsigned* arrived, PickPart best,
                                                PickPart* shared, bool* is_last) {
  const std::size_t row = blockIdx.y;
  best = best_of_block(best, shared);
  if (threadIdx.x == 0) all_parts[row * gridDim.x + blockIdx.x] = best;
  auto* said = reinterpret_cast<unsigned*>(shared + kPickThreads / kWarp);
  *is_last = arrives_last(arrived + row, gridDim.x, said);
  if (!*is_last) return {0, -2};
  const volatile PickPart* parts = all_parts + row * gridDim.x;
  best = {lowest(), -1};
  for (unsigned i = threadIdx.x; i < gridDim.x; i += blockDim.x)
    best = better(best, {parts[i].score, parts[i].token});
  best = best_of_block(best, shared);
  return threadIdx.x == 0 ? best : PickPart{0, -2};
}

}  // namespace ossnb::cuda
