// What Python's Sampler holds; a model is handed one to choose from bounds.
#pragma once

#include "model/sampler.h"

namespace ossnb {

// A Sampler that knows how many logits to expect.
struct BoundSampler {
  Sampler sampler;
  int n_vocab;
};

}  // namespace ossnb
