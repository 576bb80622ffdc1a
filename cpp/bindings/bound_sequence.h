// What Python's Sequence holds.
#pragma once

#include <memory>
#include <stdexcept>
#include <vector>

#include "data/kv.h"

namespace ossnb {

// A sequence, and a flag for a pass that writes into it. Calls are made with the GIL held. So the flag only
// has to tell a caller that a call is under way in another thread, which released the GIL. Until that call
// ends, the sequence looks as before.
class BoundSequence {
 public:
  explicit BoundSequence(Sequence sequence) : sequence_(std::move(sequence)) {}

  int length() const { return in_use_ ? length_before_ : sequence_.length(); }
  std::vector<BlockId> blocks() const { return in_use_ ? blocks_before_ : sequence_.blocks(); }
  std::size_t n_bytes() const { return blocks().size() * sequence_.store().block_bytes(); }

  Sequence& idle() {
    if (in_use_) {
      throw std::runtime_error(
          "this sequence is being extended by another thread; wait for it, or fork it before");
    }
    return sequence_;
  }

  // A call that extends it, while it lives. It is made and ended with the GIL held.
  class Use {
   public:
    explicit Use(BoundSequence& sequence) : sequence_(sequence) {
      sequence_.length_before_ = sequence_.sequence_.length();
      sequence_.blocks_before_ = sequence_.sequence_.blocks();
      sequence_.in_use_ = true;
    }
    ~Use() { sequence_.in_use_ = false; }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    BoundSequence& sequence_;
  };

 private:
  Sequence sequence_;
  bool in_use_ = false;
  int length_before_ = 0;
  std::vector<BlockId> blocks_before_;
};

using SequencePtr = std::shared_ptr<BoundSequence>;

}  // namespace ossnb
