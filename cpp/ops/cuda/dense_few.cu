// Dense products of one to four tokens. A block multiplies 64 rows, a warp 16: two threads share a row, and
// each keeps eight of its sixteen sums. The weights of the next steps are on their way while these are
// multiplied, so that the memory always has work.
#include "ops/cuda/dense-inl.h"

namespace ossnb::cuda {

namespace {

// [tokens][K] activations in shared memory, normed where the product wants it.
template <int kTokens>
__device__ __forceinline__ void load_rows(const DenseArgs& a, float* xs, float* scales) {
  const int n = a.n_tokens * a.k;
  for (int i = threadIdx.x; i < kTokens * a.k; i += blockDim.x) xs[i] = i < n ? a.x[i] : 0.0f;
  __syncthreads();
  if (!a.norm) return;
  const int warp = threadIdx.x / kWarp;
  if (warp < kTokens) {
    const float r = rms_scale(xs + warp * a.k, a.k, a.eps);
    if (threadIdx.x % kWarp == 0) scales[warp] = r;
  }
  __syncthreads();
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    xs[i] = __fmul_rn(__fmul_rn(xs[i], scales[i / a.k]), bf16_to_f32(a.norm[i % a.k]));
  }
  __syncthreads();
}

// s += w x for four neighbouring lanes.
__device__ __forceinline__ void add_four(const float* w, const float4& x, float* s) {
  s[0] = __fmaf_rn(w[0], x.x, s[0]);
  s[1] = __fmaf_rn(w[1], x.y, s[1]);
  s[2] = __fmaf_rn(w[2], x.z, s[2]);
  s[3] = __fmaf_rn(w[3], x.w, s[3]);
}

// Rows as stored. Thread h of a row has lanes 8 h .. 8 h + 7: eight neighbouring weights of sixteen.
template <int kTokens>
__device__ __forceinline__ void multiply_bf16(const DenseArgs& a, const DenseMatrix& m, int row,
                                              const float* xs, float (&y)[kTokens]) {
  const int h = threadIdx.x & 1;
  const auto* w = reinterpret_cast<const uint4*>(static_cast<const bf16*>(m.weights) +
                                                 static_cast<std::size_t>(min(row, m.rows - 1)) * a.k) +
                  h;
  float s[kTokens][8] = {};
  stream<kTokens == 1 ? 8 : 4, uint4>(
      a.k / 16, [&](int i) { return dev::load_once(w + 2 * i); },
      [&](int i, const uint4& q) {
        const float four[8] = {low_half(q.x), high_half(q.x), low_half(q.y), high_half(q.y),
                               low_half(q.z), high_half(q.z), low_half(q.w), high_half(q.w)};
#pragma unroll
        for (int t = 0; t < kTokens; ++t) {
          const auto* x = reinterpret_cast<const float4*>(xs + t * a.k + i * 16 + h * 8);
          add_four(four, x[0], s[t]);
          add_four(four + 4, x[1], s[t] + 4);
        }
      });
#pragma unroll
  for (int t = 0; t < kTokens; ++t) {
#pragma unroll
    for (int j = 0; j < 8; ++j) s[t][j] = __fadd_rn(s[t][j], __shfl_xor_sync(kWhole, s[t][j], 1));
    y[t] = __fadd_rn(__fadd_rn(__fadd_rn(s[t][0], s[t][4]), __fadd_rn(s[t][2], s[t][6])),
                     __fadd_rn(__fadd_rn(s[t][1], s[t][5]), __fadd_rn(s[t][3], s[t][7])));
  }
}

struct Bf12Group {
  uint4 low, pointers;
};

// Tiles of bf12. Thread h of a row has lanes 4 h + c and 8 + 4 h + c: of each eight inputs the half whose low
// bytes lie together.
template <int kTokens>
__device__ __forceinline__ void multiply_bf12(const DenseArgs& a, const DenseMatrix& m, int row,
                                              const float* xs, const Bf12::Rare* rare_list,
                                              float (&y)[kTokens]) {
  const int h = threadIdx.x & 1, in_rows = min(row, m.rows - 1);
  const std::uint8_t* tile =
      static_cast<const std::uint8_t*>(m.weights) + in_rows / kBf12Rows * bf12_tile_bytes(a.k);
  const std::uint8_t *low = tile + in_rows % kBf12Rows * kGroup + 16 * h,
                     *pointers = tile + kBf12Rows * kGroup + in_rows % kBf12Rows * kGroup / 2;
  const uint4 table = *reinterpret_cast<const uint4*>(m.high);
  RareWeights rare(m, rare_list, in_rows, a.k);
  float s[kTokens][8] = {};
  stream<kTokens == 1 ? 6 : 3, Bf12Group>(
      a.k / kGroup,
      [&](int g) {
        return Bf12Group{dev::load_once(reinterpret_cast<const uint4*>(low + g * kBf12Group)),
                         dev::load_once(reinterpret_cast<const uint4*>(pointers + g * kBf12Group))};
      },
      [&](int g, const Bf12Group& q) {
        const unsigned lows[4] = {q.low.x, q.low.y, q.low.z, q.low.w},
                       both[4] = {q.pointers.x, q.pointers.y, q.pointers.z, q.pointers.w};
        float w[16];
#pragma unroll
        for (int octet = 0; octet < 4; ++octet) {
          join(lows[octet], high_bytes(table, both[octet] >> (4 * h) & 0x0f0f0f0fu), w + 4 * octet);
        }
        while (rare.has(g)) {
          int input;
          const float value = rare.take(&input);
          if (input >= 0 && input % 8 / 4 == h) {
#pragma unroll
            for (int j = 0; j < 16; ++j) w[j] = j == input / 8 * 4 + input % 4 ? value : w[j];
          }
        }
#pragma unroll
        for (int t = 0; t < kTokens; ++t) {
          const float* x = xs + t * a.k + g * kGroup + 4 * h;
#pragma unroll
          for (int octet = 0; octet < 4; ++octet) {
            add_four(w + 4 * octet, *reinterpret_cast<const float4*>(x + 8 * octet), s[t] + (octet & 1) * 4);
          }
        }
      });
#pragma unroll
  for (int t = 0; t < kTokens; ++t) {
    float u[4];
#pragma unroll
    for (int c = 0; c < 4; ++c) {
      const float both = __fadd_rn(s[t][c], s[t][c + 4]);
      u[c] = __fadd_rn(both, __shfl_xor_sync(kWhole, both, 1));
    }
    y[t] = __fadd_rn(__fadd_rn(u[0], u[2]), __fadd_rn(u[1], u[3]));
  }
}

template <Dense kFormat, int kTokens>
__device__ __forceinline__ void dense_few(const DenseArgs& a) {
  auto* xs = reinterpret_cast<float*>(dev::shared());  // [kTokens][K]
  float *y = xs + kTokens * a.k, *kept = y + kTokens * kTileRows, *scales = kept + kTokens * kTileRows;
  const DensePlace at = dense_place(a);
  const DenseMatrix& m = at.part->m;
  const int in_tile = threadIdx.x / 2;
  float products[kTokens];
  if constexpr (kFormat == Dense::bf16) {
    load_rows<kTokens>(a, xs, scales);
    multiply_bf16<kTokens>(a, m, at.row + in_tile, xs, products);
  } else {
    const Bf12::Rare* rare = rare_of_block(m, at.row, scales + kFewTokens);
    load_rows<kTokens>(a, xs, scales);
    multiply_bf12<kTokens>(a, m, at.row + in_tile, xs, rare, products);
  }
  if (!(threadIdx.x & 1)) {
#pragma unroll
    for (int t = 0; t < kTokens; ++t) y[t * kTileRows + in_tile] = products[t];
  }
  __syncthreads();
  finish_tile(a, at, y, kept, 0, a.n_tokens);
}

struct Q8Group {
  unsigned codes[4];
  bf16 scale;
};

// Q8 tiles of 16 rows, a warp each: two threads share a row, each with half of a group.
template <int kTokens>
__device__ __forceinline__ void dense_few_q8(const DenseArgs& a) {
  const QuantRow layout(a.k, 1);
  unsigned char* xs = dev::shared();  // [kTokens] rows
  float *y = reinterpret_cast<float*>(xs + kTokens * layout.bytes()), *kept = y + kTokens * kTileRows;
  const DensePlace at = dense_place(a);
  const DenseMatrix& m = at.part->m;
  const int n_words = layout.bytes() / 16;
  for (int i = threadIdx.x; i < kTokens * n_words; i += blockDim.x) {
    reinterpret_cast<uint4*>(xs)[i] =
        i < a.n_tokens * n_words ? reinterpret_cast<const uint4*>(a.quant)[i] : uint4{0, 0, 0, 0};
  }
  __syncthreads();
  const int r = threadIdx.x % 16, h = threadIdx.x / 16 & 1, in_tile = threadIdx.x / kWarp * kQ8Rows + r;
  const int tile = min(at.row + in_tile, m.rows - 1) / kQ8Rows;
  const std::uint8_t* codes = static_cast<const std::uint8_t*>(m.weights) + tile * q8_tile_bytes(a.k);
  const auto* words = reinterpret_cast<const unsigned*>(codes) + 2 * h * kQ8Rows + r;
  const auto* scales = reinterpret_cast<const bf16*>(codes + layout.n_groups * kQ8Rows * kGroup) + r;
  float s[kTokens] = {};
  stream<kTokens == 1 ? 6 : 4, Q8Group>(
      layout.n_groups,
      [&](int g) {
        Q8Group q;
#pragma unroll
        for (int i = 0; i < 4; ++i)
          q.codes[i] = dev::load_once(words + (8 * g + i / 2 + i % 2 * 4) * kQ8Rows);
        q.scale = scales[g * kQ8Rows];
        return q;
      },
      [&](int g, const Q8Group& q) {
#pragma unroll
        for (int t = 0; t < kTokens; ++t) {
          const unsigned char* row = xs + t * layout.bytes();
          const uint4 v = reinterpret_cast<const uint4*>(row)[2 * g + h];
          int dot = dev::dot4(q.codes[0] ^ 0x80808080u, v.x, 0);
          dot = dev::dot4(q.codes[1] ^ 0x80808080u, v.y, dot);
          dot = dev::dot4(q.codes[2] ^ 0x80808080u, v.z, dot);
          dot = dev::dot4(q.codes[3] ^ 0x80808080u, v.w, dot);
          dot += __shfl_xor_sync(kWhole, dot, 16);
          const float unit = reinterpret_cast<const float*>(row + layout.units_at())[g];
          s[t] = __fmaf_rn(__int2float_rn(dot), __fmul_rn(bf16_to_f32(q.scale), unit), s[t]);
        }
      });
  if (h == 0) {
#pragma unroll
    for (int t = 0; t < kTokens; ++t) y[t * kTileRows + in_tile] = s[t];
  }
  __syncthreads();
  finish_tile(a, at, y, kept, 0, a.n_tokens);
}

}  // namespace

OSSNB_KERNEL(dense_bf16_1, DenseArgs, 128) { dense_few<Dense::bf16, 1>(a); }
OSSNB_KERNEL(dense_bf16_2, DenseArgs, 128) { dense_few<Dense::bf16, 2>(a); }
OSSNB_KERNEL(dense_bf16_4, DenseArgs, 128) { dense_few<Dense::bf16, 4>(a); }
OSSNB_KERNEL(dense_bf12_1, DenseArgs, 128) { dense_few<Dense::bf12, 1>(a); }
OSSNB_KERNEL(dense_bf12_2, DenseArgs, 128) { dense_few<Dense::bf12, 2>(a); }
OSSNB_KERNEL(dense_bf12_4, DenseArgs, 128) { dense_few<Dense::bf12, 4>(a); }
OSSNB_KERNEL(dense_q8_1, DenseArgs, 128) { dense_few_q8<1>(a); }
OSSNB_KERNEL(dense_q8_2, DenseArgs, 128) { dense_few_q8<2>(a); }
OSSNB_KERNEL(dense_q8_4, DenseArgs, 128) { dense_few_q8<4>(a); }

}  // namespace ossnb::cuda
