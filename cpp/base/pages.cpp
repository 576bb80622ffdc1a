#include "base/pages.h"

#include <algorithm>
#include <cstdint>

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace ossnb {

#if defined(__linux__)
namespace {

constexpr int kSamples = 4;  // of a matrix of megabytes: the system evicts pages in long runs

struct Pages {
  std::uintptr_t first;
  std::size_t n, size;
  Pages(const void* data, std::size_t n_bytes) : size(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
    const auto begin = reinterpret_cast<std::uintptr_t>(data);
    first = begin / size * size;
    n = (begin + n_bytes - first + size - 1) / size;
  }
  void* at(std::size_t i) const { return reinterpret_cast<void*>(first + i * size); }
};

}  // namespace

double resident_share(const void* data, std::size_t n_bytes, int n_samples) {
  if (n_bytes == 0) return 1;
  const Pages pages(data, n_bytes);
  const std::size_t n = std::min<std::size_t>(pages.n, n_samples);
  std::size_t resident = 0;
  for (std::size_t i = 0; i < n; ++i) {
    unsigned char state = 1;
    // An error means that this is no mapping of ours. Then there is nothing to read.
    if (mincore(pages.at((2 * i + 1) * pages.n / (2 * n)), pages.size, &state) != 0) state = 1;
    resident += state & 1;
  }
  return static_cast<double>(resident) / static_cast<double>(n);
}

bool prefetch_if_absent(const void* data, std::size_t n_bytes) {
  if (resident_share(data, n_bytes, kSamples) == 1) return false;
  const Pages pages(data, n_bytes);
  return madvise(pages.at(0), pages.n * pages.size, MADV_WILLNEED) == 0;
}
#else
double resident_share(const void*, std::size_t, int) { return 1; }
bool prefetch_if_absent(const void*, std::size_t) { return false; }
#endif

}  // namespace ossnb
