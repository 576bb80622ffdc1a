// A pool of our own, because notebooks fork: a child forked after one libgomp region hangs in the next.
// Workers spin briefly between the many short regions of one forward pass and sleep when it is over.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>

namespace ossnb {

class ThreadPool {
 public:
  explicit ThreadPool(int n_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // At most the number that was asked for. It is smaller where the system starts no more threads, because of
  // a limit on threads, processes or memory.
  int size() const { return n_threads_; }
  void resize(int n_threads);

  // Called on the calling thread about every 10 ms while regions run; true stops the region. Set by one
  // forward pass at a time, cleared when it ends.
  void set_poll(std::function<bool()> poll);

  // Runs task(i, worker) for i in 0..n-1, each once, on the calling thread (worker 0) and the pool's
  // (1..size-1). Any worker may get any task, so a task's result must not depend on its worker. Returns when
  // all are done; rethrows the first exception of a task; throws Cancelled when poll asked to stop.
  void parallel_for(int n, const std::function<void(int i, int worker)>& task);

 private:
  struct State;
  void start(std::shared_ptr<State> state, int n_threads);
  void stop();
  void restart(int n_threads);

  int n_threads_ = 1;
  pid_t pid_ = 0;  // the process that owns the threads; a forked child starts its own
  std::shared_ptr<State>
      state_;  // leaked on purpose in a forked child: its locks may be held by threads that are gone
  std::function<bool()> poll_;
  std::chrono::steady_clock::time_point last_poll_;
};

}  // namespace ossnb
