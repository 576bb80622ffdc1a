// What the scheduler's files share.
#pragma once

#include "fibers.h"
#include "host_cuda.h"

namespace hc {

struct Meeting {
  int size, arrived;
  struct Fiber* waiting;
  char order;
};

struct Warp {
  Meeting meeting;
  alignas(8) unsigned char shown[2][32 * kShown];
};

struct Fiber : Thread {
  struct Block* in;
  Warp* warp;
  Fiber* next;
  const char* waits_at;
  char* stack;
  Place place;
  int parity;
  bool is_over;
};

struct Block {
  Meeting meeting;
  Fiber* fibers;
  Warp* warps;
  unsigned char* shared;
  char* map;
  std::size_t n_map_bytes;
};

// One launch, which its workers share.
struct Run {
  const Launch* launch;
  Kernel::Function kernel;
  const void* args;
  unsigned n_blocks, n_threads, n_together;
  unsigned* order;  // of the blocks
  unsigned next;    // place in `order`
  int n_failures;   // the first one's words are kept
  bool is_bad_address;
  char words[400];
  std::uint64_t switches;
  char begin, end;  // addresses of the orders launch -> threads -> end
};

// A thread of the system that runs some of a launch's blocks.
struct Worker {
  Run* run;
  Block* blocks;  // [n_together]
  Fiber** ready;
  std::size_t n_ready;
  Fiber* yielded;  // go on when no other can
  unsigned n_idle_rounds;
  std::uint64_t random, switches;
  Place place;
  bool is_in_fiber;
};
extern thread_local Worker* worker HC_TLS;

inline Fiber& me() { return *static_cast<Fiber*>(self); }

// The first failure of a run counts.
void fail(Run& run, const char* words, bool is_bad_address = false);
inline bool has_failed(const Run& run) { return __atomic_load_n(&run.n_failures, __ATOMIC_ACQUIRE) != 0; }

std::uint64_t draw(std::uint64_t n);  // the worker's next random number below n
void leave(bool for_good);            // this fiber's turn ends

// Runs blocks of a Run until there are no more; for pthread_create.
void* work(void* run);

// While it lives, an address that cannot be used ends the fiber that touches it, and fails the run.
class FaultStack {
 public:
  FaultStack();
  ~FaultStack();
  FaultStack(const FaultStack&) = delete;
  FaultStack& operator=(const FaultStack&) = delete;

 private:
  void* memory_ = nullptr;
};

}  // namespace hc
