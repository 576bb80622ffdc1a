// What Python's Sampler holds.
#pragma once

#include <stdexcept>

#include "choice/sampler.h"

namespace ossnb {

// A sampler and how many steps are reading it. Changes are made with the GIL held, so the count only has to
// tell a caller that a step in another thread, which released the GIL, is under way.
struct BoundSampler {
  Sampler sampler;
  int n_readers = 0;

  void accept(std::int32_t token) {
    if (n_readers > 0) {
      throw std::runtime_error("a step in another thread chooses with this sampler; accept tokens after it");
    }
    sampler.accept(token);
  }

  // Counts as a reader while it lives. Made and ended with the GIL held.
  class Reading {
   public:
    explicit Reading(BoundSampler& sampler) : sampler_(sampler) { ++sampler_.n_readers; }
    ~Reading() { --sampler_.n_readers; }
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;

   private:
    BoundSampler& sampler_;
  };
};

}  // namespace ossnb
