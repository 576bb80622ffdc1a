// What all dense products share: how a matrix is read, and what becomes of a tile of outputs.
#pragma once

#include "format/q8.h"
#include "ops/cuda/numbers-inl.h"

namespace ossnb::cuda {

// A block's part of the product: which matrix, and its first row there.
struct DensePlace {
  const DensePart* part;
  int row;
};

__device__ __forceinline__ DensePlace dense_place(const DenseArgs& a) {
  int block = blockIdx.x, p = 0;
  for (; p + 1 < a.n_parts; ++p) {
    const int n = (a.part[p].m.rows + kTileRows - 1) / kTileRows;
    if (block < n) break;
    block -= n;
  }
  return {&a.part[p], block * kTileRows};
}

__device__ __forceinline__ void keep(const KvPart& part, std::byte* to, int at, float x, const float* head) {
  if (part.format == KvFormat::float32) {
    reinterpret_cast<float*>(to)[at] = x;
  } else if (part.format == KvFormat::bf16) {
    reinterpret_cast<bf16*>(to)[at] = f32_to_bf16(x);
  } else {
    reinterpret_cast<std::int8_t*>(to)[at] = KvScale(head, part.width).code(x);
  }
}

// x of place r of a tile, rotated: the head's other half has its partner.
__device__ __forceinline__ float rotated(const float* tile, int r, int head_dim, const float* cos,
                                         const float* sin) {
  const int half = head_dim / 2, d = r % head_dim;
  const float x = tile[r];
  if (d < half) return __fsub_rn(__fmul_rn(x, cos[d]), __fmul_rn(tile[r + half], sin[d]));
  return __fadd_rn(__fmul_rn(x, cos[d - half]), __fmul_rn(tile[r - half], sin[d - half]));
}

// Ends a tile: y [n tokens, kTileRows] in shared memory has the products; `kept` has as much room. Tile rows
// are whole heads.
__device__ __forceinline__ void finish_tile(const DenseArgs& a, const DensePlace& at, float* y, float* kept,
                                            int first_token, int n_tokens) {
  const DensePart& part = *at.part;
  const int n = n_tokens * kTileRows;
  const bool rotates = part.end == End::query || part.end == End::key;
  const auto is_row = [&](int i) { return at.row + i % kTileRows < part.m.rows; };
  if (part.m.bias) {
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
      if (is_row(i)) y[i] = __fadd_rn(y[i], bf16_to_f32(part.m.bias[at.row + i % kTileRows]));
    }
    __syncthreads();
  }
  const int head_dim = a.kv.part.width, half = head_dim / 2;
  if (rotates) {
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
      const std::size_t token = first_token + i / kTileRows;
      if (is_row(i)) {
        kept[i] = rotated(y + i / kTileRows * kTileRows, i % kTileRows, head_dim, a.rows.cos + token * half,
                          a.rows.sin + token * half);
      }
    }
    __syncthreads();
    y = kept;
  }
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    if (!is_row(i)) continue;
    const int token = first_token + i / kTileRows, r = i % kTileRows, row = at.row + r;
    float* out = part.out + static_cast<std::size_t>(token) * part.out_stride + row;
    if (part.end == End::store || part.end == End::query) *out = y[i];
    if (part.end == End::add) *out = __fadd_rn(*out, y[i]);
    if (part.end != End::key && part.end != End::value) continue;

    const KvPart& kv = a.kv.part;
    const int position = a.rows.positions[token], slot = position % kBlockTokens, d = row % head_dim;
    const bool is_key = part.end == End::key;
    std::byte* block = a.rows.blocks[a.rows.first_block[token] + position / kBlockTokens];
    std::byte* to = block + a.kv.at + (2 * (row / head_dim) + !is_key) * kv.bytes();
    const float* head = y + i - d;
    keep(kv, to, is_key ? (slot / 16 * head_dim + d) * 16 + slot % 16 : slot * head_dim + d, y[i], head);
    if (kv.format == KvFormat::int8 && d == 0) {
      reinterpret_cast<float*>(to + kv.scales_at())[slot] = KvScale(head, head_dim).scale;
    }
  }
}

// The listed weights of the bf12 tile that a thread's row is in.
class RareWeights {
 public:
  __device__ __forceinline__ RareWeights(const DenseMatrix& m, const Bf12::Rare* rare, int row, int k)
      : rare_(rare), row_(row % kBf12Rows) {
    const int tile = row / kBf12Rows;
    base_ = static_cast<unsigned>(tile) * k * kBf12Rows;
    at_ = m.first_rare[tile];
    end_ = m.first_rare[tile + 1];
    look();
  }
  __device__ __forceinline__ bool has(int group) const { return group_ == group; }

  // Goes to the next listed weight; gives the one it stands at. `input` is -1 where it is another row's.
  __device__ __forceinline__ float take(int* input) {
    *input = place_ % kBf12Rows == row_ ? static_cast<int>(place_ / kBf12Rows % kGroup) : -1;
    const float value = bf16_to_f32(rare_[at_].value);
    ++at_;
    look();
    return value;
  }

 private:
  __device__ __forceinline__ void look() {
    place_ = at_ < end_ ? rare_[at_].at - base_ : 0;
    group_ = at_ < end_ ? static_cast<int>(place_ / kBf12Rows / kGroup) : -1;
  }
  const Bf12::Rare* rare_;
  unsigned base_, place_;
  unsigned row_;
  int at_, end_, group_;
};

// The listed weights of a block's tiles in shared memory, where they have room, or where they are.
__device__ __forceinline__ const Bf12::Rare* rare_of_block(const DenseMatrix& m, int row, void* room) {
  const int n_tiles = (m.rows + kBf12Rows - 1) / kBf12Rows, tile = row / kBf12Rows;
  const int first = m.first_rare[tile], end = m.first_rare[min(tile + kTileRows / kBf12Rows, n_tiles)];
  if (end - first > kSharedRare) return m.rare;
  auto* rare = static_cast<Bf12::Rare*>(room);
  for (int i = threadIdx.x; i < end - first; i += blockDim.x) rare[i] = m.rare[first + i];
  return rare - first;
}

// The high bytes of four weights: `pointers` has one of a table of 16 in each byte.
__device__ __forceinline__ unsigned high_bytes(const uint4& table, unsigned pointers) {
  const unsigned two = pointers | pointers >> 4;
  const unsigned selector = dev::permute(two, 0, 0x4420) & 0x7777u;
  const unsigned upper = (pointers >> 3 & 0x01010101u) * 255u;
  return (dev::permute(table.x, table.y, selector) & ~upper) |
         (dev::permute(table.z, table.w, selector) & upper);
}

// Four weights of low bytes and high bytes as floats.
__device__ __forceinline__ void join(unsigned low, unsigned high, float* w) {
  const unsigned first = dev::permute(low, high, 0x5140), second = dev::permute(low, high, 0x7362);
  w[0] = low_half(first);
  w[1] = high_half(first);
  w[2] = low_half(second);
  w[3] = high_half(second);
}

}  // namespace ossnb::cuda
