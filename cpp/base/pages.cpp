#include "base/pages.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>

#if defined(__linux__)
#include <fcntl.h>
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

// The share of up to n_samples pages, spread over a range, of which is_there(index of the page) holds.
template <class IsThere>
double share_of(const Pages& pages, int n_samples, IsThere is_there) {
  const std::size_t n = std::min<std::size_t>(pages.n, n_samples);
  std::size_t there = 0;
  for (std::size_t i = 0; i < n; ++i) there += is_there((2 * i + 1) * pages.n / (2 * n)) ? 1 : 0;
  return static_cast<double>(there) / static_cast<double>(n);
}

// The table of this process's pages: eight bytes each, whose highest bit says that the page is in memory and
// mapped here. It is the file of whoever opened it, so a forked process opens its own. -1: there is none.
int page_table() {
  static std::atomic<pid_t> opened_by{0};
  static std::atomic<int> file{-1};
  static std::mutex opening;
  if (opened_by.load(std::memory_order_acquire) != getpid()) {
    const std::unique_lock lock(opening, std::try_to_lock);
    if (!lock) return -1;
    file = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    opened_by.store(getpid(), std::memory_order_release);
  }
  return file;
}

// mincore would also know of pages that are in memory and that nobody has touched here. But it calls all
// pages resident where the file is another user's, as shared folders of models are.
double mapped_share(const void* data, std::size_t n_bytes) {
  if (n_bytes == 0) return 1;
  const Pages pages(data, n_bytes);
  const int table = page_table();
  if (table < 0) return resident_share(data, n_bytes, kSamples);
  return share_of(pages, kSamples, [&](std::size_t i) {
    std::uint64_t entry = 0;
    const auto at = static_cast<off_t>((pages.first / pages.size + i) * sizeof entry);
    return pread(table, &entry, sizeof entry, at) != sizeof entry || entry >> 63 != 0;
  });
}

}  // namespace

double resident_share(const void* data, std::size_t n_bytes, int n_samples) {
  if (n_bytes == 0) return 1;
  const Pages pages(data, n_bytes);
  return share_of(pages, n_samples, [&](std::size_t i) {
    unsigned char state = 1;
    // An error means that this is no mapping of ours. Then there is nothing to read.
    return mincore(pages.at(i), pages.size, &state) != 0 || (state & 1) != 0;
  });
}

bool prefetch_if_absent(const void* data, std::size_t n_bytes) {
  if (mapped_share(data, n_bytes) == 1) return false;
  const Pages pages(data, n_bytes);
  return madvise(pages.at(0), pages.n * pages.size, MADV_WILLNEED) == 0;
}
#else
double resident_share(const void*, std::size_t, int) { return 1; }
bool prefetch_if_absent(const void*, std::size_t) { return false; }
#endif

}  // namespace ossnb
