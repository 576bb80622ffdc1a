#include "base/mapped_file.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#endif

namespace ossnb {

#if defined(__unix__) || defined(__APPLE__)
namespace {

// Read by the handler, which may take no lock and allocate nothing. A place is free while `end` is 0.
struct Place {
  std::atomic<std::uintptr_t> begin{0}, end{0};
  std::atomic<bool> lost{false};
};

constexpr int kPlaces = 4096;  // files; 120b has 15
std::array<Place, kPlaces> places;
std::mutex changing;  // guards places and handler; the handler never takes it
struct sigaction before = {};
std::atomic<std::uintptr_t> page_bytes{0};

// Puts zeros from the page of the fault to the end of its range: the file has lost all of that.
bool replaced_by_zeros(std::uintptr_t address) {
  for (Place& place : places) {
    const std::uintptr_t end = place.end.load(std::memory_order_acquire);
    if (address >= end || address < place.begin.load(std::memory_order_relaxed)) continue;
    const std::uintptr_t page = address / page_bytes * page_bytes;
    void* at = reinterpret_cast<void*>(page);  // NOLINT(performance-no-int-to-ptr): it is an address
    if (mmap(at, end - page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
      return false;
    }
    place.lost.store(true, std::memory_order_release);
    return true;
  }
  return false;
}

// A fault outside the watched ranges goes to the former handler. That handler may raise the signal again when
// it is done. This must end the process, and not begin anew.
void on_bus_error(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  if (replaced_by_zeros(reinterpret_cast<std::uintptr_t>(info->si_addr))) {
    errno = error;
    return;
  }
  static std::atomic<bool> was_passed_on{false};
  const bool is_ours_alone =
      (before.sa_flags & SA_SIGINFO) == 0 && (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN);
  if (is_ours_alone || was_passed_on.exchange(true)) {
    std::signal(SIGBUS, SIG_DFL);  // the read faults once more, and the process ends
    if (info->si_code <= 0) raise(SIGBUS);
    return;
  }
  if (before.sa_flags & SA_SIGINFO) {
    before.sa_sigaction(signal, info, context);
  } else {
    before.sa_handler(signal);
  }
  was_passed_on = false;
}

struct sigaction handler_now() {
  struct sigaction now = {};
  sigaction(SIGBUS, nullptr, &now);
  return now;
}

bool is_ours(const struct sigaction& handler) {
  return (handler.sa_flags & SA_SIGINFO) && handler.sa_sigaction == on_bus_error;
}

// With `changing` held.
void put_handler_in_place() {
  const struct sigaction now = handler_now();
  if (is_ours(now)) return;
  page_bytes = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  before = now;
  struct sigaction ours = {};
  ours.sa_sigaction = on_bus_error;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigemptyset(&ours.sa_mask);
  sigaction(SIGBUS, &ours, nullptr);
}

}  // namespace

WatchedRange::WatchedRange(const void* data, std::size_t n_bytes) {
  if (n_bytes == 0) return;
  const std::lock_guard lock(changing);
  put_handler_in_place();
  for (int i = 0; i < kPlaces && place_ < 0; ++i) {
    if (places[i].end.load(std::memory_order_relaxed) != 0) continue;
    const auto begin = reinterpret_cast<std::uintptr_t>(data);
    places[i].lost.store(false, std::memory_order_relaxed);
    places[i].begin.store(begin, std::memory_order_relaxed);
    places[i].end.store((begin + n_bytes + page_bytes - 1) / page_bytes * page_bytes,
                        std::memory_order_release);
    place_ = i;
  }
}

WatchedRange::~WatchedRange() {
  if (place_ >= 0) places[place_].end.store(0, std::memory_order_release);
}

bool WatchedRange::is_lost() const {
  if (place_ < 0) return false;
  if (!is_ours(handler_now())) {
    const std::lock_guard lock(changing);
    put_handler_in_place();
  }
  return places[place_].lost.load(std::memory_order_acquire);
}
#else
WatchedRange::WatchedRange(const void*, std::size_t) {}
WatchedRange::~WatchedRange() = default;
bool WatchedRange::is_lost() const { return false; }
#endif

}  // namespace ossnb
