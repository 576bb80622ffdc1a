#include "base/thread_pool.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/float_state.h"

namespace ossnb {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPollEvery = std::chrono::milliseconds(10);
// Longer than the gap between two regions, and too short for anybody to notice. A pause takes 10 ns on some
// processors and 40 on others.
constexpr int kSpins = 4000;
constexpr int kMostThreads = 1024;  // a mistake must not take all that a machine can start

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

struct ThreadPool::State {
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<unsigned> region{0};  // grows by one for each parallel_for
  std::atomic<bool> quit{false};

  // The region being run.
  const std::function<void(int, int)>* task = nullptr;
  int n = 0;
  std::atomic<int> next{0};
  std::atomic<int> n_busy{0};  // workers that have not finished the region
  std::atomic<bool> stopped{false};
  std::exception_ptr error;

  void record(std::exception_ptr e) {
    std::lock_guard lock(mutex);
    if (!error) error = std::move(e);
    stopped.store(true, std::memory_order_relaxed);
  }

  bool run_one(int worker) {
    if (stopped.load(std::memory_order_relaxed)) return false;
    const int i = next.fetch_add(1, std::memory_order_relaxed);
    if (i >= n) return false;
    try {
      (*task)(i, worker);
    } catch (...) {
      record(std::current_exception());
    }
    return true;
  }

  void work(int worker) {
    const PlainFloats plain;  // the creating thread's state was inherited
    unsigned seen = 0;
    for (;;) {
      for (int i = 0; i < kSpins && region.load(std::memory_order_acquire) == seen; ++i) relax();
      if (region.load(std::memory_order_acquire) == seen) {
        std::unique_lock lock(mutex);
        wake.wait(lock, [&] { return region.load(std::memory_order_acquire) != seen; });
      }
      ++seen;  // the caller waits for every worker before it opens the next region, so none is skipped
      if (quit.load(std::memory_order_acquire)) return;
      while (run_one(worker)) {
      }
      n_busy.fetch_sub(1, std::memory_order_acq_rel);
    }
  }

  // False at a limit on threads, processes or memory: the threads that there are will do.
  bool started(int worker) {
    try {
      threads.emplace_back([this, worker] { work(worker); });
      return true;
    } catch (const std::system_error&) {
      return false;
    } catch (const std::bad_alloc&) {
      return false;
    }
  }

  void open_region() {
    {
      std::lock_guard lock(mutex);  // so that a worker about to sleep does not miss it
      region.fetch_add(1, std::memory_order_release);
    }
    wake.notify_all();
  }
};

ThreadPool::ThreadPool(int n_threads) { start(std::make_shared<State>(), n_threads); }

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::start(std::shared_ptr<State> state, int n_threads) {
  pid_ = getpid();
  state_ = std::move(state);
  const int wanted = std::min(n_threads, kMostThreads);
  for (int worker = 1; worker < wanted && state_->started(worker); ++worker) {
  }
  n_threads_ = static_cast<int>(state_->threads.size()) + 1;
}

void ThreadPool::stop() {
  if (pid_ != getpid()) {  // forked: the threads are the parent's, and joining them would wait for ever
    new std::shared_ptr<State>(std::move(state_));
    return;
  }
  state_->quit.store(true, std::memory_order_release);
  state_->open_region();
  for (auto& thread : state_->threads) thread.join();
}

void ThreadPool::restart(int n_threads) {
  auto fresh = std::make_shared<State>();  // first: where this throws, nothing has changed
  stop();
  start(std::move(fresh), n_threads);
}

void ThreadPool::resize(int n_threads) { restart(n_threads); }

void ThreadPool::set_poll(std::function<bool()> poll) {
  poll_ = std::move(poll);
  last_poll_ = Clock::now();
}

void ThreadPool::parallel_for(int n, const std::function<void(int, int)>& task) {
  if (n <= 0) return;
  if (pid_ != getpid()) restart(n_threads_);
  State& s = *state_;
  s.task = &task;
  s.n = n;
  s.error = nullptr;
  s.next.store(0, std::memory_order_relaxed);
  s.stopped.store(false, std::memory_order_relaxed);
  const bool alone = n == 1 || n_threads_ == 1;
  if (!alone) {
    s.n_busy.store(n_threads_ - 1, std::memory_order_relaxed);
    s.open_region();
  }

  // Whatever leaves this function, it leaves no worker with the task: poll_() may throw, or end the thread.
  struct Rest {
    State& s;
    const bool alone;
    ~Rest() {
      if (alone) return;
      s.stopped.store(true, std::memory_order_relaxed);
      while (s.n_busy.load(std::memory_order_acquire) != 0) std::this_thread::yield();
    }
  };
  const Rest rest{s, alone};
  const PlainFloats plain;
  bool cancelled = false;
  auto poll_now = [&] {
    if (!poll_ || cancelled) return;
    if (const auto now = Clock::now(); now - last_poll_ >= kPollEvery) {
      last_poll_ = now;
      if (poll_()) {
        cancelled = true;
        s.stopped.store(true, std::memory_order_relaxed);
      }
    }
  };
  while (s.run_one(0)) poll_now();
  if (!alone) {
    for (int spins = 0; s.n_busy.load(std::memory_order_acquire) != 0; ++spins) {
      if (spins < kSpins) {
        relax();
      } else {
        std::this_thread::yield();
        poll_now();
      }
    }
  }
  if (s.error) std::rethrow_exception(s.error);
  if (cancelled) throw Cancelled();
}

}  // namespace ossnb
