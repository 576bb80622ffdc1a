// A card as one model uses it: a share of the process's context on it, a stream on which everything happens
// in order, and the kernels. Several models may open the same card; each has its own Card. All calls may come
// from any thread; arrays.h has its memory, kernel.h what it runs.
//
// Every call throws DeviceLost once the card has failed for good, and in a process that was forked from the
// one that opened it. No destructor throws or hangs then.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ops/cuda/driver.h"

namespace ossnb::cuda {

struct CardInfo {
  int ordinal = 0;
  std::string name;
  int major = 0, minor = 0;  // the compute capability
  int n_multiprocessors = 0;
  bool is_integrated = false;    // it shares the host's memory
  std::size_t memory_total = 0;  // bytes
  std::size_t memory_free = 0;   // bytes; 0: not asked
  std::size_t shared_limit = 0;  // bytes of shared memory that a block may have
  std::size_t l2_bytes = 0;
  std::string why_not;  // why it cannot be used; empty if it can

  std::string title() const { return "cuda:" + std::to_string(ordinal) + " (" + name + ")"; }
};

struct CardList {
  std::vector<CardInfo> cards;
  std::string why_none;  // why there is no card at all
};

// Never throws. Free memory is asked of the cards in `free_of`: that opens them, which takes a moment and
// some hundred MB of each card's memory while it lasts.
CardList list_cards(const std::vector<int>& free_of = {});

class Event;

class Card : public std::enable_shared_from_this<Card> {
 public:
  using Poll = std::function<bool()>;

  // DeviceUnavailable where there is no such card or no driver; the message says why.
  static std::shared_ptr<Card> open(int ordinal);
  ~Card();
  Card(const Card&) = delete;
  Card& operator=(const Card&) = delete;

  const CardInfo& info() const { return info_; }
  std::size_t memory_free() const;
  bool is_usable() const noexcept;
  // The most bytes that this Card may hold; 0: as many as there are. DeviceMemoryError beyond.
  void set_limit(std::size_t n_bytes) { limit_ = n_bytes; }
  std::size_t memory_used() const { return used_; }  // by this Card

  // Waits for everything that was put on the stream. Asks `poll` about every 10 ms, on this thread; when that
  // returns true it throws Cancelled, and the card goes on with its work.
  void wait(const Poll& poll = nullptr) const;
  void wait(const Event& event,
            const Poll& poll = nullptr) const;  // for what stood on the stream at the record

  // ---- for the classes beside ----
  // Makes the card's context that of this thread; the constructor throws where the card cannot be used.
  class Current {
   public:
    explicit Current(const Card& card);
    ~Current();
    Current(const Current&) = delete;
    Current& operator=(const Current&) = delete;

   private:
    const Driver& driver_;
  };

  // Held while a graph is recorded from the stream, and by whoever puts work on the stream beside a pass: in
  // between, that work would become a part of the graph.
  std::mutex& recording() const { return recording_; }

  const Driver& driver() const { return driver_; }
  StreamHandle stream() const { return stream_; }
  FunctionHandle function(const char* name) const;

  // Throws for a Result other than success, in these words: "the copy to the card", "the kernel", `name`.
  void check(Result result, const char* what, const char* name = "") const {
    if (result != kSuccess) fail(result, what, name);
  }

  DevicePtr allocate(std::size_t n_bytes) const;
  void free(DevicePtr memory, std::size_t n_bytes) const noexcept;
  void* allocate_pinned(std::size_t n_bytes) const;
  void free_pinned(void* memory) const noexcept;

  // Gives a handle back by one of the driver's functions, if the card can still be used.
  template <class Handle>
  void dispose(Result (*function)(Handle), Handle handle) const noexcept {
    if (handle == Handle{} || !enter()) return;
    function(handle);
    leave();
  }

 private:
  explicit Card(int ordinal);
  void begin();  // the stream and the kernels
  void load_kernels();
  bool enter() const noexcept;  // as Current, without a word
  void leave() const noexcept;
  [[noreturn]] void fail(Result result, const char* what, const char* name) const;
  [[noreturn]] void refuse() const;

  const Driver& driver_;
  CardInfo info_;
  DeviceId id_ = 0;
  const int opened_at_;  // fork_count() then
  ContextHandle context_ = nullptr;
  StreamHandle stream_ = nullptr;
  std::vector<ModuleHandle> modules_;
  std::size_t limit_ = 0;
  mutable std::atomic<std::size_t> used_{0};
  mutable std::atomic<bool> is_lost_{false};
  mutable std::mutex recording_;
  mutable std::mutex mutex_;
  mutable std::string lost_by_;  // under mutex_
};

}  // namespace ossnb::cuda
