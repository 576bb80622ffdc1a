// Choosing a token from logits: penalties, bias, temperature, top_k, top_p, min_p, then the Gumbel-max form
// of sampling: the token with the largest logit / temperature + noise(seed, position, token) has exactly the
// softmax's distribution, and the noise depends on nothing else.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "choice/mask.h"
#include "kernels/kernels.h"

namespace ossnb {

struct SamplerSettings {
  double temperature = 1, top_p = 1, min_p = 0;
  int top_k = 0;
  double repetition_penalty = 1, presence_penalty = 0, frequency_penalty = 0;
  std::map<std::int32_t, double> logit_bias;
  std::uint64_t seed = 0;
};

// Of the untouched logits at temperature 1, among the allowed tokens.
struct Logprobs {
  float token;
  std::vector<std::pair<std::int32_t, float>> top;  // (token, logprob), likeliest first
};

class Sampler {
 public:
  // `prompt` counts for the repetition penalty. ValueError when a setting is out of its range.
  Sampler(SamplerSettings settings, int n_vocab, std::span<const std::int32_t> prompt);

  int n_vocab() const { return n_vocab_; }
  const SamplerSettings& settings() const { return s_; }

  // The token chosen from logits [V]. A mask acts as if the logits of all other tokens were -infinity.
  std::int32_t token(const float* logits, std::int64_t position, const TokenMask* mask = nullptr) const;
  Logprobs logprobs(const float* logits, std::int32_t token, int n_top,
                    const TokenMask* mask = nullptr) const;
  void accept(std::int32_t token);

  // Whether a setting asks for more than the winner of one race: a filter or a penalty.
  bool needs_all_logits() const;

 private:
  using Candidate = std::pair<float, std::int32_t>;  // (logit, token)
  std::vector<float> penalised(const float* logits, const TokenMask* mask) const;
  std::vector<std::int32_t> survivors(const std::vector<float>& logits, float top) const;
  std::int32_t draw(const std::vector<float>& logits, const std::vector<std::int32_t>* among, float top,
                    std::int64_t position) const;
  void see(std::int32_t token);
  bool is_in_vocabulary(std::int32_t token) const { return token >= 0 && token < n_vocab_; }
  bool filters() const { return s_.top_k > 0 || s_.top_p < 1 || s_.min_p > 0; }

  SamplerSettings s_;
  int n_vocab_;
  std::vector<bool> is_seen_;  // [V] in the prompt or accepted; empty without repetition_penalty
  std::map<std::int32_t, int> n_generated_;  // accepted, how often
  const kernels::Table& kernels_;
};

}  // namespace ossnb
