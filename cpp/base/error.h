// Exceptions that cross the border to Python (bindings/module.cpp translates them).
#pragma once

#include <stdexcept>
#include <string>

namespace ossnb {

// A caller's mistake: ValueError.
using ValueError = std::invalid_argument;

// The caller's flag or a signal stopped the work; nothing was committed.
struct Cancelled : std::runtime_error {
  Cancelled() : std::runtime_error("the forward pass was cancelled") {}
};

}  // namespace ossnb
