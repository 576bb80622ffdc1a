// The rows of one pass.
#pragma once

#include <cstdint>
#include <vector>

#include "data/kv.h"

namespace ossnb {

// T rows of (token, position, sequence) in any mix: prefill chunks, single tokens, several sequences. Rows of
// a sequence stand together, at rising positions.
struct Batch {
  std::vector<std::int32_t> tokens;        // [T]
  std::vector<std::int32_t> positions;     // [T]
  std::vector<std::int32_t> sequence_of;   // [T] index into sequences
  std::vector<const Sequence*> sequences;  // prepared for these positions
  std::vector<std::int32_t> wanted_rows;   // rows that reach the head, rising
  bool is_watched = false;                 // somebody reads results between the steps
  int n_rows() const { return static_cast<int>(tokens.size()); }
};

}  // namespace ossnb
