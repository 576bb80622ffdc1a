// Addresses that cannot be used, without a sanitizer: as on a card, the kernel ends and the program goes on.
#include <pthread.h>
#include <signal.h>

#include <cstdio>
#include <cstdlib>

#include "scheduler.h"

namespace hc {

#if defined(HC_TSAN) || defined(HC_ASAN)  // they report it themselves, and end the program

FaultStack::FaultStack() = default;
FaultStack::~FaultStack() = default;

#else

namespace {

struct sigaction before_us[2];

// A fiber touched what it may not: the scheduler goes on instead, as a card stops the kernel.
void on_fault(int signal, siginfo_t* info, void*) {
  Worker* w = worker;
  if (w == nullptr || !w->is_in_fiber) {  // not a kernel's: the handler before us, or the system's own
    sigaction(signal, &before_us[signal == SIGBUS], nullptr);
    return;
  }
  char words[200];
  const Fiber& f = me();
  std::snprintf(words, sizeof words,
                "thread (%u, %u, %u) of block (%u, %u, %u) touches the address %p, which is not its own",
                f.thread.x, f.thread.y, f.thread.z, f.block.x, f.block.y, f.block.z, info->si_addr);
  fail(*w->run, words, true);
  leave(true);
}

void catch_faults() {
  struct sigaction action = {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigaction(SIGSEGV, &action, &before_us[0]);
  sigaction(SIGBUS, &action, &before_us[1]);
}

}  // namespace

// A stack of the handler's own: a fiber's may be the very thing that is full.
FaultStack::FaultStack() {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, catch_faults);
  stack_t before = {};
  sigaltstack(nullptr, &before);
  if ((before.ss_flags & SS_DISABLE) == 0) return;  // the thread has one
  stack_t own = {};
  own.ss_size = 32 << 10;
  own.ss_sp = memory_ = std::malloc(own.ss_size);
  sigaltstack(&own, nullptr);
}

FaultStack::~FaultStack() {
  if (memory_ == nullptr) return;
  stack_t none = {};
  none.ss_flags = SS_DISABLE;
  sigaltstack(&none, nullptr);
  std::free(memory_);
}

#endif

}  // namespace hc
