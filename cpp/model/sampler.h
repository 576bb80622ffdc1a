// Choosing a token from logits: penalties, bias, temperature, top_k, top_p, min_p, then the Gumbel-max form
// of sampling: the token with the largest logit / temperature + noise(seed, position, token) has exactly the
// softmax's distribution, and the noise depends on nothing else.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "kernels/kernels.h"
#include "ops/screen.h"

namespace ossnb {

struct SamplerSettings {
  double temperature = 1, top_p = 1, min_p = 0;
  int top_k = 0;
  double repetition_penalty = 1, presence_penalty = 0, frequency_penalty = 0;
  std::map<std::int32_t, double> logit_bias;
  std::uint64_t seed = 0;
};

struct Choice {
  std::int32_t token;
  float logprob;                                    // of the untouched logits at temperature 1
  std::vector<std::pair<std::int32_t, float>> top;  // (token, logprob), likeliest first
};

class Sampler {
 public:
  // `prompt` counts for the repetition penalty. ValueError when a setting is out of its range.
  Sampler(SamplerSettings settings, int n_vocab, std::vector<std::int32_t> prompt);

  Choice sample(const float* logits, std::int64_t position, int n_top) const;
  void accept(std::int32_t token);

  // sample(...).token from bounds of the logits and, by `rescore`, the true ones of those rows that can still
  // win. Nothing when there are too many of them for that to pay, or a number is not finite.
  using Rescore = std::function<void(const std::int32_t* rows, int n, float* logits)>;
  std::optional<std::int32_t> choose(const Screen& screen, std::int64_t position,
                                     const Rescore& rescore) const;
  // Whether a setting asks for more than the winner of one race: a filter or a penalty.
  bool needs_all_logits() const;

 private:
  using Candidate = std::pair<float, std::int32_t>;  // (logit, token)
  void penalise(std::vector<float>& logits) const;
  std::vector<std::int32_t> survivors(const std::vector<float>& logits, float top) const;
  std::array<std::uint32_t, 4> words(std::int32_t token, std::int64_t position) const;
  std::int32_t draw(const std::vector<float>& logits, const std::vector<std::int32_t>* allowed, float top,
                    std::int64_t position) const;

  SamplerSettings s_;
  int n_vocab_;
  std::set<std::int32_t> seen_;              // in the prompt or accepted
  std::map<std::int32_t, int> n_generated_;  // accepted, how often
  const kernels::Table& kernels_;
};

}  // namespace ossnb
