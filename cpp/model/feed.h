// What a sequence brings to a pass.
#pragma once

#include <cstdint>

#include "data/kv.h"

namespace ossnb {

// New tokens of one sequence, and the number of its last rows that are wanted, for a choice or for their
// logits.
struct Feed {
  Sequence* sequence;
  const std::int32_t* tokens;
  int n_tokens;
  int n_wanted;
};

}  // namespace ossnb
