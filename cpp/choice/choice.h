// One wanted row: the way to choose its token, and the choice.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "choice/mask.h"
#include "choice/sampler.h"

namespace ossnb {

struct Chooser {
  const Sampler* sampler;
  std::int64_t position;            // of the token to be chosen: keys the noise
  int n_top = 0;                    // likeliest tokens to report
  const TokenMask* mask = nullptr;  // allowed tokens; null allows all
  bool keeps_logits = false;

  // Whether the caller wants log-probabilities, which take all (allowed) logits.
  bool wants_logprobs() const { return n_top > 0 || keeps_logits; }
};

struct Choice {
  std::int32_t token = 0;
  std::optional<float> logprob;                     // if the chooser wants_logprobs()
  std::vector<std::pair<std::int32_t, float>> top;  // (token, logprob), likeliest first, [n_top]
  std::vector<float> logits;                        // [V], untouched by sampler and mask, if kept
  bool is_finite = true;  // no NaN and no infinity reached the head or the token's logit
};

// The definition of every device's head: the choice from all logits [V] of a row.
Choice choose_from(const float* logits, const Chooser& chooser);

}  // namespace ossnb
