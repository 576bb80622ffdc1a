// Dense products of many tokens: a block multiplies 64 rows with 32 tokens. In floats a thread has one of the
// sixteen lanes of eight rows times eight tokens, so no sum ever leaves its order; Q8 goes to the tensor
// cores.
#include "ops/cuda/dense-inl.h"
#include "ops/cuda/tiles-inl.h"

namespace ossnb::cuda {

namespace {

constexpr int kThreads = kManyThreads, kLoaders = 256;  // half of them load weights, the others activations
constexpr int kSide = 8;                                // rows, and tokens, of a thread

struct Shared {
  float weights[kGroup][kTileRows + 4];  // [k, rows]; the strides share no bank with their neighbours
  float x[kGroup][kTileTokens + 4];      // [k, tokens]
  float y[kTileTokens * kTileRows], kept[kTileTokens * kTileRows];
  Bf12::Rare rare[kSharedRare];
};

static_assert(sizeof(Shared) == kDenseManyShared);

// Loads 32 inputs of a block's rows, a step ahead of their use.
template <Dense kFormat>
class WeightLoader;

template <>
class WeightLoader<Dense::bf16> {
 public:
  __device__ __forceinline__ WeightLoader(const DenseArgs& a, const DensePlace& at, const Bf12::Rare*)
      : row_(threadIdx.x / 4), chunk_(threadIdx.x % 4), n_chunks_(a.k / 8) {
    const std::size_t row = min(at.row + row_, at.part->m.rows - 1);
    from_ = reinterpret_cast<const uint4*>(static_cast<const bf16*>(at.part->m.weights) + row * a.k) + chunk_;
  }
  __device__ __forceinline__ void load(int group) {
    const int i = 4 * group;
    next_ = i + chunk_ < n_chunks_ ? from_[i] : uint4{0, 0, 0, 0};
  }
  __device__ __forceinline__ void store(int, Shared& s) const {
    const unsigned two[4] = {next_.x, next_.y, next_.z, next_.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      s.weights[chunk_ * 8 + 2 * i][row_] = low_half(two[i]);
      s.weights[chunk_ * 8 + 2 * i + 1][row_] = high_half(two[i]);
    }
  }

 private:
  const int row_, chunk_, n_chunks_;
  const uint4* from_;
  uint4 next_;
};

template <>
class WeightLoader<Dense::bf12> {
 public:
  __device__ __forceinline__ WeightLoader(const DenseArgs& a, const DensePlace& at, const Bf12::Rare* rare)
      : row_(threadIdx.x / 2 % kTileRows),
        half_(threadIdx.x % 2),
        is_idle_(threadIdx.x >= 2 * kTileRows),
        rare_(at.part->m, rare, min(at.row + row_, at.part->m.rows - 1), a.k) {
    const DenseMatrix& m = at.part->m;
    const int row = min(at.row + row_, m.rows - 1);
    const std::uint8_t* tile =
        static_cast<const std::uint8_t*>(m.weights) + row / kBf12Rows * bf12_tile_bytes(a.k);
    low_ = tile + row % kBf12Rows * kGroup + 16 * half_;
    pointers_ = tile + kBf12Rows * kGroup + row % kBf12Rows * kGroup / 2;
    table_ = *reinterpret_cast<const uint4*>(m.high);
  }
  __device__ __forceinline__ void load(int group) {
    if (is_idle_) return;
    next_low_ = *reinterpret_cast<const uint4*>(low_ + group * kBf12Group);
    next_pointers_ = *reinterpret_cast<const uint4*>(pointers_ + group * kBf12Group);
  }
  __device__ __forceinline__ void store(int group, Shared& s) {
    if (is_idle_) return;
    const unsigned lows[4] = {next_low_.x, next_low_.y, next_low_.z, next_low_.w},
                   both[4] = {next_pointers_.x, next_pointers_.y, next_pointers_.z, next_pointers_.w};
#pragma unroll
    for (int octet = 0; octet < 4; ++octet) {
      float w[4];
      join(lows[octet], high_bytes(table_, both[octet] >> (4 * half_) & 0x0f0f0f0fu), w);
#pragma unroll
      for (int i = 0; i < 4; ++i) s.weights[octet * 8 + half_ * 4 + i][row_] = w[i];
    }
    while (rare_.has(group)) {
      int input;
      const float value = rare_.take(&input);
      if (input >= 0 && input % 8 / 4 == half_) s.weights[input][row_] = value;
    }
  }

 private:
  const int row_, half_;
  const bool is_idle_;
  const std::uint8_t *low_, *pointers_;
  uint4 table_, next_low_, next_pointers_;
  RareWeights rare_;
};

// Loads 32 inputs of a block's tokens.
class TokenLoader {
 public:
  __device__ __forceinline__ TokenLoader(const DenseArgs& a, int first_token)
      : token_((threadIdx.x - kLoaders) / 8), chunk_(threadIdx.x % 8), n_chunks_(a.k / 4) {
    const int token = first_token + token_;
    from_ = token < a.n_tokens ? reinterpret_cast<const float4*>(a.x + static_cast<std::size_t>(token) * a.k)
                               : nullptr;
  }
  __device__ __forceinline__ void load(int group) {
    const int i = 8 * group + chunk_;
    next_ = from_ && i < n_chunks_ ? from_[i] : float4{0, 0, 0, 0};
  }
  __device__ __forceinline__ void store(Shared& s) const {
    s.x[chunk_ * 4][token_] = next_.x;
    s.x[chunk_ * 4 + 1][token_] = next_.y;
    s.x[chunk_ * 4 + 2][token_] = next_.z;
    s.x[chunk_ * 4 + 3][token_] = next_.w;
  }

 private:
  const int token_, chunk_, n_chunks_;
  const float4* from_;
  float4 next_;
};

template <Dense kFormat>
__device__ __forceinline__ void dense_many(const DenseArgs& a) {
  auto& s = *reinterpret_cast<Shared*>(dev::shared());
  const DensePlace at = dense_place(a);
  const int first_token = blockIdx.y * kTileTokens;
  const int lane = threadIdx.x % 16, warp = threadIdx.x / kWarp;
  const int rows = warp % 8 * kSide, tokens = (warp / 8 * 2 + threadIdx.x / 16 % 2) * kSide;
  const bool loads_weights = threadIdx.x < kLoaders;
  const Bf12::Rare* rare = nullptr;
  if constexpr (kFormat == Dense::bf12) {
    rare = rare_of_block(at.part->m, at.row, s.rare);
    __syncthreads();
  }
  WeightLoader<kFormat> weights(a, at, rare);
  TokenLoader x(a, first_token);
  const int n_steps = (a.k + kGroup - 1) / kGroup;
  if (loads_weights) {
    weights.load(0);
  } else {
    x.load(0);
  }
  float sum[kSide][kSide] = {};
  for (int step = 0; step < n_steps; ++step) {
    if (loads_weights) {
      weights.store(step, s);
      if (step + 1 < n_steps) weights.load(step + 1);
    } else {
      x.store(s);
      if (step + 1 < n_steps) x.load(step + 1);
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < kGroup; k += 16) {
      if (step * kGroup + k >= a.k) break;
      const auto *w4 = reinterpret_cast<const float4*>(&s.weights[k + lane][rows]),
                 *x4 = reinterpret_cast<const float4*>(&s.x[k + lane][tokens]);
      const float w[kSide] = {w4[0].x, w4[0].y, w4[0].z, w4[0].w, w4[1].x, w4[1].y, w4[1].z, w4[1].w},
                  v[kSide] = {x4[0].x, x4[0].y, x4[0].z, x4[0].w, x4[1].x, x4[1].y, x4[1].z, x4[1].w};
#pragma unroll
      for (int r = 0; r < kSide; ++r) {
#pragma unroll
        for (int t = 0; t < kSide; ++t) sum[r][t] = __fmaf_rn(w[r], v[t], sum[r][t]);
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int r = 0; r < kSide; ++r) {
#pragma unroll
    for (int t = 0; t < kSide; ++t) {
      const float y = tree16(sum[r][t]);
      if (lane == 0) s.y[(tokens + t) * kTileRows + rows + r] = y;
    }
  }
  __syncthreads();
  finish_tile(a, at, s.y, s.kept, first_token, min(kTileTokens, a.n_tokens - first_token));
}

struct Q8Shared {
  Stage<1> stage;
  TileRows rows;
  float y[kTileTokens * kTileRows], kept[kTileTokens * kTileRows];
};

static_assert(sizeof(Q8Shared) == kDenseQ8ManyShared);

}  // namespace

OSSNB_KERNEL(dense_bf16_32, DenseArgs, kThreads) { dense_many<Dense::bf16>(a); }
OSSNB_KERNEL(dense_bf12_32, DenseArgs, kThreads) { dense_many<Dense::bf12>(a); }

// A warp multiplies one tile of 16 rows.
OSSNB_KERNEL(dense_q8_32, DenseArgs, 128) {
  auto& s = *reinterpret_cast<Q8Shared*>(dev::shared());
  const QuantRow layout(a.k, 1);
  const DensePlace at = dense_place(a);
  const DenseMatrix& m = at.part->m;
  const int first_token = blockIdx.y * kTileTokens, n_tokens = min(kTileTokens, a.n_tokens - first_token);
  if (threadIdx.x < kTileTokens) {
    const std::size_t token = first_token + threadIdx.x;
    s.rows.row[threadIdx.x] =
        static_cast<int>(threadIdx.x) < n_tokens ? a.quant + token * layout.bytes() : nullptr;
  }
  const int lane = threadIdx.x % kWarp, p = lane / 4, q = lane % 4, warp = threadIdx.x / kWarp;
  const int tile = min(at.row + warp * kQ8Rows, m.rows - 1) / kQ8Rows;
  const std::uint8_t* codes = static_cast<const std::uint8_t*>(m.weights) + tile * q8_tile_bytes(a.k);
  const auto* words = reinterpret_cast<const unsigned*>(codes) + q * kQ8Rows + p;
  const auto* scales = reinterpret_cast<const bf16*>(codes + layout.n_groups * kQ8Rows * kGroup) + p;
  const auto load = [&](int g) {
    const unsigned* w = words + g * 8 * kQ8Rows;  // even inputs in words 0 to 3, odd ones in 4 to 7
    return WeightGroup{{w[0], w[8], w[4 * kQ8Rows], w[4 * kQ8Rows + 8]},
                       bf16_to_f32(scales[g * kQ8Rows]),
                       bf16_to_f32(scales[g * kQ8Rows + 8])};
  };
  float y[kTiles][4];
  multiply_tile<1, 1, kQ8Lift>(s.stage, s.rows, layout, n_tokens, load, y);
#pragma unroll
  for (int t = 0; t < kTiles; ++t) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      s.y[(t * kColumns + 2 * q + (i & 1)) * kTileRows + warp * kQ8Rows + p + (i < 2 ? 0 : 8)] = y[t][i];
    }
  }
  __syncthreads();
  finish_tile(a, at, s.y, s.kept, first_token, n_tokens);
}

}  // namespace ossnb::cuda
