// The choice of a token from a row's logits: the likeliest, or the winner of the race (Sampler::draw). Blocks
// take pieces of the vocabulary; the last of a row that comes compares their winners.
#include "choice/noise.h"
#include "ops/cuda/numbers-inl.h"

namespace ossnb::cuda {

namespace {

constexpr int kThreads = kPickThreads;

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

// Keeps a block's best; gives the row's best to the first thread of its last block, and -2 to others.
__device__ __forceinline__ PickPart best_of_row(const PickArgs& a, PickPart best, PickPart* shared) {
  const std::size_t row = blockIdx.y;
  best = best_of_block(best, shared);
  if (threadIdx.x == 0) a.parts[row * gridDim.x + blockIdx.x] = best;
  auto* said = reinterpret_cast<unsigned*>(shared + kThreads / kWarp);
  if (!arrives_last(a.arrived + row, gridDim.x, said) || threadIdx.x != 0) return {0, -2};
  const volatile PickPart* parts = a.parts + row * gridDim.x;
  best = {lowest(), -1};
  for (unsigned i = 0; i < gridDim.x; ++i) best = better(best, {parts[i].score, parts[i].token});
  return best;
}

}  // namespace

// The first of the largest logits; NaNs never win.
OSSNB_KERNEL(pick_likeliest, PickArgs, kThreads) {
  auto* shared = reinterpret_cast<PickPart*>(dev::shared());
  const std::size_t row = blockIdx.y;
  const PickRow& how = a.rows[row];
  const float* logits = a.logits + row * a.n_vocab;
  PickPart best = {lowest(), -1};
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < a.n_vocab; i += gridDim.x * blockDim.x) {
    if (logits[i] > best.score && allows(how, i)) best = {logits[i], i};
  }
  best = best_of_row(a, best, shared);
  if (best.token == -2) return;
  a.picked[row] = {static_cast<float>(best.score), best.token, best.token};
}

// The race. The noise of the likeliest token is a score that is reached, so most tokens need no logarithm.
OSSNB_KERNEL(pick_winner, PickArgs, kThreads) {
  auto* shared = reinterpret_cast<PickPart*>(dev::shared());
  const std::size_t row = blockIdx.y;
  const PickRow how = a.rows[row];
  const Picked top = a.picked[row];
  if (how.inverse == 0 || top.likeliest < 0) return;
  const float* logits = a.logits + row * a.n_vocab;
  const double reached = noise(how.seed, how.position, top.likeliest);
  PickPart best = {reached, top.likeliest};
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; 4 * i < a.n_vocab; i += gridDim.x * blockDim.x) {
    const auto words = noise_words(how.seed, how.position, 4 * i);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int token = 4 * i + j;
      if (token >= a.n_vocab || !allows(how, token)) continue;
      const double base = __dmul_rn(__dadd_rn(logits[token], -static_cast<double>(top.top)), how.inverse);
      if (base + noise_bound(words[j]) < best.score) continue;
      const double score = __dadd_rn(base, noise_of(words[j]));
      if (score > best.score || (score == best.score && token < best.token)) best = {score, token};
    }
  }
  best = best_of_row(a, best, shared);
  if (best.token == -2) return;
  a.picked[row].token = best.token;
}

}  // namespace ossnb::cuda
