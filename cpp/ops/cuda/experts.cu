// Products of the experts, from the checkpoint's own MXFP4 blocks. A block multiplies 64 rows, a warp 16. Of
// gate and up, which alternate, a thread has a pair; so 64 rows are 32 activations, one group, which the
// block turns into integers itself.
#include "ops/cuda/tiles-inl.h"

namespace ossnb::cuda {

namespace {

constexpr int kThreads = kExpertThreads;

// Four bytes code + 12 of the nibbles in the low half of w. A selector nibble with its sign bit set gives the
// sign of a table byte, 0, so each table answers for one sign only.
__device__ __forceinline__ unsigned lifted(unsigned w) {
  return dev::permute(0x0f0e0d0cu, 0x18141210u, w) | dev::permute(0x090a0b0cu, 0x00040608u, w ^ 0x8888u);
}

// The two rows of a thread in an expert's matrix, clamped to it.
struct TwoRows {
  int first, second;
  bool are_there;
};

__device__ __forceinline__ TwoRows rows_of(const ExpertArgs& a) {
  const int p = threadIdx.x % kWarp / 4, base = blockIdx.x * kTileRows + threadIdx.x / kWarp * 16;
  const bool are_there = base < a.rows;  // rows come in whole sixteens
  const int from = are_there ? base : 0;
  return a.is_gate_up ? TwoRows{from + 2 * p, from + 2 * p + 1, are_there}
                      : TwoRows{from + p, from + p + 8, are_there};
}

__device__ __forceinline__ float with_bias(const ExpertArgs& a, int expert, int row, float y) {
  return __fadd_rn(y, bf16_to_f32(a.bias[static_cast<std::size_t>(expert) * a.rows + row]));
}

// The integers of one group of a pair's activations, by a warp.
__device__ __forceinline__ void store_act(const ExpertArgs& a, int pair, int n_terms, const float* act) {
  const QuantRow layout(a.rows / 2, n_terms);
  const Quantized q = quantize_group(act[threadIdx.x % kWarp], n_terms);
  store_group(a.act_quant + static_cast<std::size_t>(pair) * layout.bytes(), layout, blockIdx.x, q, false);
}

struct RawGroups {  // one group of each row of a thread
  uint4 w0, w1;
  unsigned char e0, e1;
};

// Groups of one token. Lane (p = lane / 4, q = lane % 4) reads group 4i + q of its rows, and is the one that
// holds partial sum q of both. Four groups share an instruction, each in columns of its own, because b is
// zero where the group is another lane's. Three terms take both columns of a lane and a second sum.
template <int kTerms>
class OneToken {
 public:
  __device__ __forceinline__ OneToken(const unsigned char* x, const unsigned char* zeros,
                                      const QuantRow& layout)
      : x_(x), zeros_(zeros), layout_(layout) {
    const int lane = threadIdx.x % kWarp, p = lane / 4;
    q_ = lane % 4;
    const bool is_mine = p / 2 == q_;
    term_ = is_mine && (kTerms == 3 || !(p & 1)) ? p & 1 : -1;
    has_third_ = kTerms == 3 && is_mine && !(p & 1);
  }

  // Adds group g, or, where there is none, does as if.
  __device__ __forceinline__ void add(const RawGroups& w, int g, bool is_there, float (&part)[2]) const {
    const uint4 *b = bytes(term_, g, is_there), *c = bytes(has_third_ ? 2 : -1, g, is_there);
    int d[4] = {}, third[4] = {};
    multiply(w, b, d);
    if constexpr (kTerms == 3) multiply(w, c, third);
    const int lift = 12 * reinterpret_cast<const int*>(x_ + layout_.sums_at())[g];
    const float unit = reinterpret_cast<const float*>(x_ + layout_.units_at())[g];
    const float more0 = __fmaf_rn(dot(d, third, 0, lift), __fmul_rn(e8m0_to_f32(w.e0), unit), part[0]);
    const float more1 = __fmaf_rn(dot(d, third, 2, lift), __fmul_rn(e8m0_to_f32(w.e1), unit), part[1]);
    part[0] = is_there ? more0 : part[0];
    part[1] = is_there ? more1 : part[1];
  }

 private:
  __device__ __forceinline__ const uint4* bytes(int term, int g, bool is_there) const {
    return reinterpret_cast<const uint4*>(
        term < 0 || !is_there ? zeros_ : x_ + (term * layout_.n_groups + g) * kGroup);
  }
  __device__ __forceinline__ static void multiply(const RawGroups& w, const uint4* b, int (&d)[4]) {
    const unsigned w0[4] = {w.w0.x, w.w0.y, w.w0.z, w.w0.w}, w1[4] = {w.w1.x, w.w1.y, w.w1.z, w.w1.w};
    const uint4 low = b[0], high = b[1];
    const unsigned x[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
    for (int m = 0; m < 4; ++m) {
      const unsigned a[4] = {lifted(w0[m]), lifted(w1[m]), lifted(w0[m] >> 16), lifted(w1[m] >> 16)};
      dev::mma_u8_s8(d, a, x[2 * m], x[2 * m + 1]);
    }
  }
  __device__ __forceinline__ static float dot(const int (&d)[4], const int (&third)[4], int i, int lift) {
    const auto first = static_cast<unsigned>(d[i]), second = static_cast<unsigned>(d[i + 1]);
    const unsigned sum =
        kTerms == 3 ? first * 65536u + second * 256u + static_cast<unsigned>(third[i]) : first;
    return __int2float_rn(static_cast<int>(sum + static_cast<unsigned>(lift)));
  }

  const unsigned char *x_, *zeros_;
  const QuantRow layout_;
  int q_, term_;
  bool has_third_;
};

// One pair of (row, expert) a block.
template <int kTerms>
__device__ __forceinline__ void one_token(const ExpertArgs& a) {
  const QuantRow layout(a.k, kTerms);
  const int pair = blockIdx.y, expert = a.chosen[pair], n_words = layout.bytes() / 16,
            n_groups = layout.n_groups;
  auto* xs = reinterpret_cast<uint4*>(dev::shared());  // the row, 32 zero bytes, then activations [32]
  const auto* x = reinterpret_cast<const uint4*>(a.x_quant + static_cast<std::size_t>(pair / a.pairs_of_x) *
                                                                 layout.bytes());
  for (int i = threadIdx.x; i < n_words + 2; i += blockDim.x) xs[i] = i < n_words ? x[i] : uint4{0, 0, 0, 0};
  auto* act = reinterpret_cast<float*>(xs + n_words + 2);
  __syncthreads();

  const TwoRows rows = rows_of(a);
  const int q = threadIdx.x % 4;
  const std::size_t at0 = (static_cast<std::size_t>(expert) * a.rows + rows.first) * n_groups,
                    at1 = (static_cast<std::size_t>(expert) * a.rows + rows.second) * n_groups;
  const auto* blocks = reinterpret_cast<const uint4*>(a.blocks);
  const auto load = [&](int g) {
    return RawGroups{dev::load_once(blocks + at0 + g), dev::load_once(blocks + at1 + g), a.scales[at0 + g],
                     a.scales[at1 + g]};
  };
  const OneToken<kTerms> token(reinterpret_cast<const unsigned char*>(xs),
                               reinterpret_cast<const unsigned char*>(xs + n_words), layout);
  float part[2] = {};
  stream<4, RawGroups>((n_groups + 3) / 4, [&](int i) { return load(min(4 * i + q, n_groups - 1)); },
                       [&](int i, const RawGroups& w) {
                         token.add(w, min(4 * i + q, n_groups - 1), 4 * i + q < n_groups, part);
                       });
  float y[2];
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const float two = __fadd_rn(part[r], __shfl_xor_sync(kWhole, part[r], 1));
    y[r] = with_bias(a, expert, r == 0 ? rows.first : rows.second,
                     __fadd_rn(two, __shfl_xor_sync(kWhole, two, 2)));
  }
  if (a.is_gate_up) {
    if (q == 0) act[threadIdx.x / 4] = swiglu1(y[0], y[1], a.limit, a.alpha);
    __syncthreads();
    if (threadIdx.x < kWarp) store_act(a, pair, kTerms, act);
  } else if (q == 0 && rows.are_there) {
    float* out = a.out + static_cast<std::size_t>(pair) * a.rows;
    out[rows.first] = y[0];
    out[rows.second] = y[1];
  }
}

// One expert and up to 32 of its pairs a block.
template <int kTerms>
struct TileShared {
  Stage<kTerms> stage;
  TileRows rows;
  int pair[kTileTokens];
  float act[kTileTokens][kGroup];
};

static_assert(sizeof(TileShared<3>) == kExpertExactManyShared &&
              sizeof(TileShared<1>) == kExpertFastManyShared);

template <int kTerms>
__device__ __forceinline__ void many_tokens(const ExpertArgs& a) {
  const ExpertWork work = a.work[blockIdx.y];
  if (work.n == 0) return;
  const QuantRow layout(a.k, kTerms);
  auto& s = *reinterpret_cast<TileShared<kTerms>*>(dev::shared());
  if (threadIdx.x < kTileTokens) {
    const int t = threadIdx.x, pair = a.pairs[work.first + (t < work.n ? t : 0)];
    s.pair[t] = pair;
    s.rows.row[t] =
        t < work.n ? a.x_quant + static_cast<std::size_t>(pair / a.pairs_of_x) * layout.bytes() : nullptr;
  }
  const TwoRows rows = rows_of(a);
  const int q = threadIdx.x % 4, p = threadIdx.x % kWarp / 4;
  const std::size_t at0 = (static_cast<std::size_t>(work.expert) * a.rows + rows.first) * layout.n_groups,
                    at1 = (static_cast<std::size_t>(work.expert) * a.rows + rows.second) * layout.n_groups;
  const auto* words = reinterpret_cast<const unsigned*>(a.blocks) + q;
  const auto load = [&](int g) {
    const unsigned w0 = words[(at0 + g) * 4], w1 = words[(at1 + g) * 4];
    return WeightGroup{{lifted(w0), lifted(w1), lifted(w0 >> 16), lifted(w1 >> 16)},
                       e8m0_to_f32(a.scales[at0 + g]),
                       e8m0_to_f32(a.scales[at1 + g])};
  };
  float y[kTiles][4];
  multiply_tile<kTerms, 4, 12>(s.stage, s.rows, layout, work.n, load, y);
#pragma unroll
  for (int tile = 0; tile < kTiles; ++tile) {
#pragma unroll
    for (int column = 0; column < 2; ++column) {
      const int t = tile * kColumns + 2 * q + column;
      const float y0 = with_bias(a, work.expert, rows.first, y[tile][column]),
                  y1 = with_bias(a, work.expert, rows.second, y[tile][2 + column]);
      if (a.is_gate_up) {
        s.act[t][threadIdx.x / kWarp * 8 + p] = swiglu1(y0, y1, a.limit, a.alpha);
      } else if (t < work.n && rows.are_there) {
        float* out = a.out + static_cast<std::size_t>(s.pair[t]) * a.rows;
        out[rows.first] = y0;
        out[rows.second] = y1;
      }
    }
  }
  if (!a.is_gate_up) return;
  __syncthreads();
  for (int t = threadIdx.x / kWarp; t < work.n; t += kThreads / kWarp)
    store_act(a, s.pair[t], kTerms, s.act[t]);
}

}  // namespace

OSSNB_KERNEL(experts_exact_1, ExpertArgs, kThreads) { one_token<3>(a); }
OSSNB_KERNEL(experts_fast_1, ExpertArgs, kThreads) { one_token<1>(a); }
OSSNB_KERNEL(experts_exact_32, ExpertArgs, kThreads) { many_tokens<3>(a); }
OSSNB_KERNEL(experts_fast_32, ExpertArgs, kThreads) { many_tokens<1>(a); }

// bfloat16 experts as transformers saves them, [K, rows]: a thread has two neighbouring outputs, a gate and
// its up, each one chain in rising k.
OSSNB_KERNEL(experts_bf16, ExpertArgs, kThreads) {
  const int pair = blockIdx.y, expert = a.chosen[pair];
  float* xs = reinterpret_cast<float*>(dev::shared());
  for (int i = threadIdx.x; i < a.k; i += blockDim.x) {
    xs[i] = a.x[static_cast<std::size_t>(pair / a.pairs_of_x) * a.k + i];
  }
  __syncthreads();
  const int row = 2 * (blockIdx.x * blockDim.x + threadIdx.x);
  if (row >= a.rows) return;
  const bf16* w = a.in_out + static_cast<std::size_t>(expert) * a.k * a.rows + row;
  float y0 = 0, y1 = 0;
#pragma unroll 16
  for (int i = 0; i < a.k; ++i) {
    const unsigned two = *reinterpret_cast<const unsigned*>(w + static_cast<std::size_t>(i) * a.rows);
    y0 = __fmaf_rn(xs[i], low_half(two), y0);
    y1 = __fmaf_rn(xs[i], high_half(two), y1);
  }
  y0 = with_bias(a, expert, row, y0);
  y1 = with_bias(a, expert, row + 1, y1);
  if (a.is_gate_up) {
    a.out[static_cast<std::size_t>(pair) * (a.rows / 2) + row / 2] = swiglu1(y0, y1, a.limit, a.alpha);
  } else {
    float* out = a.out + static_cast<std::size_t>(pair) * a.rows + row;
    out[0] = y0;
    out[1] = y1;
  }
}

}  // namespace ossnb::cuda
