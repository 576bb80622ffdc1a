// Products of integers for many tokens: a warp multiplies 16 rows with 32 tokens, a group of 32 inputs at a
// time, by the tensor cores. Integer sums have no order, so they are exact; then each group is scaled and
// added in the written order.
#pragma once

#include "ops/cuda/numbers-inl.h"

namespace ossnb::cuda {

constexpr int kStageGroups = 4;  // groups whose activations are in shared memory at a time
constexpr int kColumns = 8;      // tokens of one instruction
constexpr int kTiles = kTileTokens / kColumns;

// The activations of one stage. Rows of eight tokens fill 256 neighbouring bytes, so that no two threads of a
// warp ask one bank for different words.
template <int kTerms>
struct Stage {
  unsigned char terms[kStageGroups][kTerms][kTileTokens][kGroup];
  int minus_sum[kStageGroups][kTileTokens];
  float half_unit[kStageGroups][kTileTokens];
};

// Two rows of a group as a warp's thread holds them for the instruction, with their scales.
struct WeightGroup {
  unsigned a[4];
  float scale0, scale1;
};

// The rows of activations of a block's tokens; null where there is none.
struct TileRows {
  const unsigned char* row[kTileTokens];
};

template <int kTerms>
__device__ __forceinline__ void load_stage(Stage<kTerms>& stage, const TileRows& rows, const QuantRow& layout,
                                           int first_group) {
  constexpr int kChunks = kStageGroups * kTerms * kTileTokens * 2;  // of 16 bytes
  for (int i = threadIdx.x; i < kChunks; i += blockDim.x) {
    const int half = i % 2, token = i / 2 % kTileTokens, term = i / 2 / kTileTokens % kTerms,
              g = i / 2 / kTileTokens / kTerms;
    const unsigned char* row = rows.row[token];
    uint4 bytes = {0, 0, 0, 0};
    if (row && first_group + g < layout.n_groups) {
      bytes = reinterpret_cast<const uint4*>(row + (term * layout.n_groups + first_group + g) * kGroup)[half];
    }
    reinterpret_cast<uint4*>(stage.terms[g][term][token])[half] = bytes;
  }
  for (int i = threadIdx.x; i < kStageGroups * kTileTokens; i += blockDim.x) {
    const int token = i % kTileTokens, g = i / kTileTokens;
    const unsigned char* row = rows.row[token];
    const bool there = row && first_group + g < layout.n_groups;
    stage.minus_sum[g][token] =
        there ? reinterpret_cast<const int*>(row + layout.sums_at())[first_group + g] : 0;
    stage.half_unit[g][token] =
        there ? reinterpret_cast<const float*>(row + layout.units_at())[first_group + g] : 0;
  }
}

// The exact product of a group: terms of 8 bits each, and the lift of unsigned codes taken back.
template <int kTerms>
__device__ __forceinline__ int joined(const int (&d)[kTerms][4], int i, int lift) {
  unsigned sum = static_cast<unsigned>(lift);
#pragma unroll
  for (int term = 0; term < kTerms; ++term)
    sum += static_cast<unsigned>(d[term][i]) << (8 * (kTerms - 1 - term));
  return static_cast<int>(sum);
}

// y[tile][i] of thread (p = lane / 4, q = lane % 4): i & 1 is the token, column 2q or 2q + 1 of the tile; i /
// 2 the row, the first or the second of the thread. `load(g)` gives its weights. Groups g go to partial sum
// g % kParts; with four, (s0 + s1) + (s2 + s3).
template <int kTerms, int kParts, int kLifted, class Load>
__device__ __forceinline__ void multiply_tile(Stage<kTerms>& stage, const TileRows& rows,
                                              const QuantRow& layout, int n_tokens, Load load,
                                              float (&y)[kTiles][4]) {
  const int lane = threadIdx.x % kWarp, p = lane / 4, q = lane % 4;
  float part[kParts][kTiles][4] = {};
  for (int first = 0; first < layout.n_groups; first += kStageGroups) {
    WeightGroup w[kStageGroups];
#pragma unroll
    for (int g = 0; g < kStageGroups; ++g) w[g] = load(min(first + g, layout.n_groups - 1));
    __syncthreads();
    load_stage(stage, rows, layout, first);
    __syncthreads();
#pragma unroll
    for (int g = 0; g < kStageGroups; ++g) {
      if (first + g >= layout.n_groups) break;
#pragma unroll
      for (int tile = 0; tile < kTiles; ++tile) {
        if (tile * kColumns >= n_tokens) break;
        int d[kTerms][4] = {};
#pragma unroll
        for (int term = 0; term < kTerms; ++term) {
          const uint2 b = reinterpret_cast<const uint2*>(stage.terms[g][term][tile * kColumns + p])[q];
          dev::mma_u8_s8(d[term], w[g].a, b.x, b.y);
        }
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const int token = tile * kColumns + 2 * q + (i & 1);
          const int dot = joined(d, i, kLifted * stage.minus_sum[g][token]);
          const float scale = __fmul_rn(i < 2 ? w[g].scale0 : w[g].scale1, stage.half_unit[g][token]);
          part[g % kParts][tile][i] = __fmaf_rn(__int2float_rn(dot), scale, part[g % kParts][tile][i]);
        }
      }
    }
  }
#pragma unroll
  for (int tile = 0; tile < kTiles; ++tile) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      y[tile][i] = part[0][tile][i];
      if constexpr (kParts == 4) {
        y[tile][i] = __fadd_rn(__fadd_rn(part[0][tile][i], part[1][tile][i]),
                               __fadd_rn(part[2][tile][i], part[3][tile][i]));
      }
    }
  }
}

}  // namespace ossnb::cuda
