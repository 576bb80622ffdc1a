#include "ops/cuda/stopwatch.h"

#include <atomic>
#include <mutex>
#include <utility>

namespace ossnb::cuda {

namespace {

std::atomic<bool> is_on{false};
std::mutex mutex;

std::map<std::string, KernelTime>& times() {
  static std::map<std::string, KernelTime> times;
  return times;
}

}  // namespace

void time_kernels(bool on) { is_on = on; }

bool are_timed() { return is_on; }

void add_time(const char* kernel, double ms) {
  const std::lock_guard lock(mutex);
  KernelTime& time = times()[kernel];
  ++time.n;
  time.ms += ms;
}

std::map<std::string, KernelTime> take_times() {
  const std::lock_guard lock(mutex);
  return std::exchange(times(), {});
}

}  // namespace ossnb::cuda
