// Exceptions that cross the border to Python (bindings/module.cpp translates them).
#pragma once

#include <cstddef>
#include <new>
#include <stdexcept>
#include <string>

namespace ossnb {

// A caller's mistake: ValueError.
using ValueError = std::invalid_argument;

// The caller's flag or a signal stopped the work; nothing was committed.
struct Cancelled : std::runtime_error {
  Cancelled() : std::runtime_error("the forward pass was cancelled") {}
};

// A device failed at what it was asked: DeviceError.
struct DeviceFailure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// There is no such device for this process; the message says why.
struct DeviceUnavailable : DeviceFailure {
  using DeviceFailure::DeviceFailure;
};

// The device can be used no more through what is open on it; every later call fails like this.
struct DeviceLost : DeviceFailure {
  using DeviceFailure::DeviceFailure;
};

// A device has not the memory that was asked for: MemoryError. Sizes are in bytes.
struct DeviceMemoryError : std::bad_alloc {
  DeviceMemoryError(const std::string& message, std::size_t n_asked, std::size_t n_free, std::size_t n_total)
      : asked(n_asked), free(n_free), total(n_total), message_(message) {}
  const char* what() const noexcept override { return message_.what(); }

  std::size_t asked, free, total;

 private:
  std::runtime_error message_;  // a text whose copies cannot throw
};

}  // namespace ossnb
