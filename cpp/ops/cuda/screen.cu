// The choice of a token without all logits: a copy of lm_head in six bits bounds each logit, rows that can
// still win are multiplied as stored, and the answer is the one that all logits would give (choice/bounds.h).
#include "format/q6.h"
#include "ops/cuda/pick-inl.h"

namespace ossnb::cuda {

namespace {

__device__ __forceinline__ double block_sum(double v, double* shared) {
#pragma unroll
  for (int half = 16; half >= 1; half /= 2) v += __shfl_xor_sync(kWhole, v, half);
  __syncthreads();
  if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = v;
  __syncthreads();
  double sum = 0;
  for (int w = 0; w < static_cast<int>(blockDim.x / kWarp); ++w) sum += shared[w];
  return sum;
}

// A logit as stored, by a warp; every thread has it. `room` holds a row of weights.
__device__ __forceinline__ float true_logit(const ScreenArgs& a, std::size_t row, int token, bf16* room) {
  const int lane = threadIdx.x % kWarp;
  const auto* from = reinterpret_cast<const uint4*>(a.weights + static_cast<std::size_t>(token) * a.width);
  __syncwarp();
#pragma unroll 4
  for (int i = lane; i < a.width / 8; i += kWarp)
    reinterpret_cast<uint4*>(room)[i] = dev::load_once(from + i);
  __syncwarp();
  const float* x = a.normed + row * a.width;
  float sum = 0;
#pragma unroll 8
  for (int i = lane % 16; i < a.width; i += 16) sum = __fmaf_rn(bf16_to_f32(room[i]), x[i], sum);
  return tree16(sum);
}

__device__ __forceinline__ double radius(const ScreenArgs& a, const LogitBounds& bounds, int token) {
  return bounds.radius(a.norms[2 * token], a.norms[2 * token + 1]);
}

// Four codes of a group as signed bytes: the even or the odd inputs of an octet. Six bits lifted by 32 lose
// the lift without a byte that borrows from its neighbour.
__device__ __forceinline__ unsigned q6_word(unsigned low, unsigned upper, int octet, int odd) {
  const unsigned lifted = (low >> (4 * odd) & 0x0f0f0f0fu) | (upper >> (2 * octet) & 0x03030303u) << 4;
  return ((lifted | 0x80808080u) - 0x20202020u) ^ 0x80808080u;
}

struct Q6Group {
  unsigned low[2], upper[2];
  bf16 scale;
};

// Approximations of the logits of 64 tokens, 16 a warp; two threads share a token. The last block of a row
// that comes computes the logit of the token with the best lower bound: the floor.
template <int kRows>
__device__ __forceinline__ void approximate(const ScreenArgs& a) {
  const QuantRow layout(a.width, 1);
  unsigned char* xs = dev::shared();  // [kRows] rows, then a row of weights
  auto* room = reinterpret_cast<bf16*>(xs + kRows * layout.bytes());
  auto* shared = reinterpret_cast<PickPart*>(room + a.width);
  const int first = blockIdx.y * kRows, n = min(kRows, a.n - first), n_words = layout.bytes() / 16;
  const auto* from =
      reinterpret_cast<const uint4*>(a.quant + static_cast<std::size_t>(first) * layout.bytes());
  for (int i = threadIdx.x; i < kRows * n_words; i += blockDim.x) {
    reinterpret_cast<uint4*>(xs)[i] = i < n * n_words ? from[i] : uint4{0, 0, 0, 0};
  }
  __syncthreads();
  const int r = threadIdx.x % 16, h = threadIdx.x / 16 & 1;
  const int token = blockIdx.x * kTileRows + threadIdx.x / kWarp * kQ8Rows + r;
  const int tile = min(token, a.n_vocab - 1) / kQ8Rows;
  const std::uint8_t* tiles = a.tiles + tile * q6_tile_bytes(a.width);
  float sum[kRows] = {};
  stream<kRows == 1 ? 6 : 4, Q6Group>(
      layout.n_groups,
      [&](int g) {
        const auto* words = reinterpret_cast<const unsigned*>(tiles + g * kQ6Group) + r;
        Q6Group q;
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          q.low[i] = dev::load_once(words + (2 * h + i) * kQ8Rows);
          q.upper[i] = dev::load_once(words + (4 + i) * kQ8Rows);
        }
        q.scale = reinterpret_cast<const bf16*>(tiles + g * kQ6Group + kQ6Codes)[r];
        return q;
      },
      [&](int g, const Q6Group& q) {
        unsigned codes[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) codes[i] = q6_word(q.low[i / 2], q.upper[i % 2], 2 * h + i / 2, i % 2);
#pragma unroll
        for (int t = 0; t < kRows; ++t) {
          const unsigned char* row = xs + t * layout.bytes();
          const uint4 v = reinterpret_cast<const uint4*>(row)[2 * g + h];
          int dot = dev::dot4(codes[0], v.x, 0);
          dot = dev::dot4(codes[1], v.y, dot);
          dot = dev::dot4(codes[2], v.z, dot);
          dot = dev::dot4(codes[3], v.w, dot);
          dot += __shfl_xor_sync(kWhole, dot, 16);
          const float unit = reinterpret_cast<const float*>(row + layout.units_at())[g];
          sum[t] = __fmaf_rn(__int2float_rn(dot), __fmul_rn(bf16_to_f32(q.scale), unit), sum[t]);
        }
      });
#pragma unroll
  for (int t = 0; t < kRows; ++t) {
    if (t >= n) break;
    const std::size_t row = first + t;
    PickPart best = {lowest(), -1};
    if (h == 0 && token < a.n_vocab) {
      a.approx[row * a.n_vocab + token] = sum[t];
      const double low = sum[t] - radius(a, a.state[row].bounds, token);
      if (low > best.score && allows(a.rows[row], token)) best = {low, token};
    }
    best = best_of_block(best, shared);
    if (threadIdx.x == 0) a.parts[row * gridDim.x + blockIdx.x] = best;
    if (!arrives_last(a.arrived + row, gridDim.x, reinterpret_cast<unsigned*>(shared + kFewThreads / kWarp)))
      continue;
    const volatile PickPart* parts = a.parts + row * gridDim.x;
    best = {lowest(), -1};
    for (unsigned i = threadIdx.x; i < gridDim.x; i += blockDim.x)
      best = better(best, {parts[i].score, parts[i].token});
    best = best_of_block(best, shared);
    if (threadIdx.x >= kWarp) continue;
    const int leader = __shfl_sync(kWhole, best.token, 0);
    const float floor = leader < 0 ? __uint_as_float(0x7f800000u) : true_logit(a, row, leader, room);
    if (threadIdx.x == 0) a.state[row].floor = floor;
  }
}

}  // namespace

// Bounds of a row, and no candidates yet.
OSSNB_KERNEL(screen_begin, ScreenArgs, kPickThreads) {
  auto* shared = reinterpret_cast<double*>(dev::shared());
  const std::size_t row = blockIdx.x;
  const QuantRow layout(a.width, 1);
  const unsigned char* quant = a.quant + row * layout.bytes();
  const auto* unit = reinterpret_cast<const float*>(quant + layout.units_at());  // halved
  double norm = 0, lost = 0;
  for (int i = threadIdx.x; i < a.width; i += blockDim.x) {
    const int j = i % kGroup, place = j / 8 * 8 + (j & 1) * 4 + j % 8 / 2;
    const double v = static_cast<signed char>(quant[i - j + place]);
    const double x = a.normed[row * a.width + i], difference = x - 2.0 * unit[i / kGroup] * v;
    norm += x * x;
    lost += difference * difference;
  }
  norm = block_sum(norm, shared);
  lost = block_sum(lost, shared);
  if (threadIdx.x == 0) a.state[row] = {{sqrt(norm), sqrt(lost), a.gamma}, 0, 0, 0};
}

OSSNB_KERNEL(screen_1, ScreenArgs, kFewThreads) { approximate<1>(a); }
OSSNB_KERNEL(screen_4, ScreenArgs, kFewThreads) { approximate<4>(a); }

// The noise of tokens is known exactly, so bounds of logits are bounds of scores. The best lower bound names
// a token whose score all others have to reach.
OSSNB_KERNEL(screen_leader, ScreenArgs, kPickThreads, 2) {
  auto* shared = reinterpret_cast<PickPart*>(dev::shared());
  const std::size_t row = blockIdx.y;
  const PickRow how = a.rows[row];
  const Picked top = a.picked[row];
  if (how.inverse == 0 || top.token < 0) return;
  const ScreenState state = a.state[row];
  const float* approx = a.approx + row * a.n_vocab;
  const double reached = noise(how.seed, how.position, top.likeliest);
  const double bar = losing_score(reached, top.top, how.inverse);
  PickPart best = {reached, top.likeliest};
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; 4 * i < a.n_vocab; i += gridDim.x * blockDim.x) {
    const auto words = noise_words(how.seed, how.position, 4 * i);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int token = 4 * i + j;
      if (token >= a.n_vocab || !allows(how, token)) continue;
      const double wide = radius(a, state.bounds, token), base = (approx[token] - top.top) * how.inverse;
      if (base + wide * how.inverse + noise_bound(words[j]) < bar) continue;
      const double least = base - wide * how.inverse + noise_of(words[j]);
      if (least > best.score) best = {least, token};
    }
  }
  bool is_last;
  best = best_of_row(a.parts, a.arrived, best, shared, &is_last);
  if (!is_last || threadIdx.x >= kWarp) return;
  auto* room = reinterpret_cast<bf16*>(shared + kPickThreads / kWarp + 1);
  const int leader = __shfl_sync(kWhole, best.token, 0);
  const float logit = true_logit(a, row, leader, room);
  if (threadIdx.x != 0) return;
  const double score =
      (static_cast<double>(logit) - top.top) * how.inverse + noise(how.seed, how.position, leader);
  a.state[row].reached = score > reached ? score : reached;
  a.state[row].n_rows = 0;
}

// The tokens whose upper bound reaches the floor, or, in the race, the score that is reached.
OSSNB_KERNEL(screen_candidates, ScreenArgs, kPickThreads) {
  const std::size_t row = blockIdx.y;
  const PickRow how = a.rows[row];
  const ScreenState state = a.state[row];
  Picked top = {0, 0, 0};
  if (a.is_race) {
    top = a.picked[row];
    if (how.inverse == 0 || top.token < 0) return;
  }
  const double bar = losing_score(state.reached, top.top, how.inverse);
  const float* approx = a.approx + row * a.n_vocab;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; 4 * i < a.n_vocab; i += gridDim.x * blockDim.x) {
    std::array<std::uint32_t, 4> words = {};
    if (a.is_race) words = noise_words(how.seed, how.position, 4 * i);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int token = 4 * i + j;
      if (token >= a.n_vocab || !allows(how, token)) continue;
      const double high = approx[token] + radius(a, state.bounds, token);
      if (a.is_race) {
        const double base = (high - top.top) * how.inverse;
        if (base + noise_bound(words[j]) < bar || base + noise_of(words[j]) < bar) continue;
      } else if (high < state.floor) {
        continue;
      }
      const unsigned at = atomicAdd(&a.state[row].n_rows, 1u);
      if (at < static_cast<unsigned>(a.most)) a.candidates[row * a.most + at] = token;
    }
  }
}

// The true logits of the candidates, a warp each, and the best of them.
OSSNB_KERNEL(screen_best, ScreenArgs, kPickThreads) {
  auto* shared = reinterpret_cast<PickPart*>(dev::shared());
  const std::size_t row = blockIdx.y;
  const PickRow how = a.rows[row];
  const ScreenState state = a.state[row];
  Picked picked = {0, 0, 0};
  if (a.is_race) {
    picked = a.picked[row];
    if (how.inverse == 0 || picked.token < 0) return;
  }
  const unsigned warp = threadIdx.x / kWarp, n_warps = blockDim.x / kWarp;
  const unsigned n = state.n_rows <= static_cast<unsigned>(a.most) ? state.n_rows : 0;  // too many: no answer
  auto* room =
      reinterpret_cast<bf16*>(shared + kPickThreads / kWarp + 1) + static_cast<std::size_t>(warp) * a.width;
  PickPart best = {lowest(), -1};
  for (unsigned i = blockIdx.x * n_warps + warp; i < n; i += gridDim.x * n_warps) {
    const int token = a.candidates[row * a.most + i];
    const double logit = true_logit(a, row, token, room);
    const double score =
        a.is_race ? (logit - picked.top) * how.inverse + noise(how.seed, how.position, token) : logit;
    if (score > best.score || (score == best.score && token < best.token)) best = {score, token};
  }
  bool is_last;
  best = best_of_row(a.parts, a.arrived, best, shared, &is_last);
  if (best.token == -2) return;
  if (a.is_race) {
    a.picked[row].token = best.token;
  } else {
    a.picked[row] = {static_cast<float>(best.score), best.token, best.token};
  }
}

}  // namespace ossnb::cuda
