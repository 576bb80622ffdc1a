// What Python's Sampler holds.
#pragma once

#include <stdexcept>

#include "choice/sampler.h"

namespace ossnb {

// A sampler and the number of steps that read it. Changes are made with the GIL held. So the count only has
// to tell a caller that a step is under way in another thread, which released the GIL.
struct BoundSampler {
  Sampler sampler;
  int n_readers = 0;

  void accept(std::int32_t token) {
    if (n_readers > 0) {
      throw std::runtime_error("a step in another thread chooses with this sampler; accept tokens after it");
    }
    sampler.accept(token);
  }

  // Counts as a reader while it lives. It is made and ended with the GIL held.
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
