// The choice of a token from a row's logits: the likeliest, or the winner of the race (Sampler::draw). Blocks
// take pieces of the vocabulary; the last of a row that comes compares their winners.
#include "ops/cuda/pick-inl.h"

namespace ossnb::cuda {

// The first of the largest logits; NaNs never win.
OSSNB_KERNEL(pick_likeliest, PickArgs, kPickThreads) {
  auto* shared = reinterpret_cast<PickPart*>(dev::shared());
  const std::size_t row = blockIdx.y;
  const PickRow& how = a.rows[row];
  const float* logits = a.logits + row * a.n_vocab;
  PickPart best = {lowest(), -1};
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < a.n_vocab; i += gridDim.x * blockDim.x) {
    if (logits[i] > best.score && allows(how, i)) best = {logits[i], i};
  }
  bool is_last;
  best = best_of_row(a.parts, a.arrived, best, shared, &is_last);
  if (best.token == -2) return;
  a.picked[row] = {static_cast<float>(best.score), best.token, best.token};
}

// The race. The noise of the likeliest token is a score that is reached, so most tokens need no logarithm.
OSSNB_KERNEL(pick_winner, PickArgs, kPickThreads) {
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
  bool is_last;
  best = best_of_row(a.parts, a.arrived, best, shared, &is_last);
  if (best.token == -2) return;
  a.picked[row].token = best.token;
}

}  // namespace ossnb::cuda
