// A fiber: a stack and a place to go on. For host_cuda.cpp alone, which is not instrumented by the
// sanitizers; here they are told about every switch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif
#ifdef HC_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#ifdef HC_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace hc {

#if defined(HC_TSAN) || defined(HC_ASAN)
constexpr std::size_t kStack = 128 << 10;
#else
constexpr std::size_t kStack = 64 << 10;  // pages that nobody touches cost nothing
#endif

// The lowest bytes of a stack.
struct Bottom {
  std::uint64_t canary;
  char* next;  // in the list of free stacks
  void* tsan;  // the detector's fiber, which is used again: a new one costs a millisecond
};
constexpr std::uint64_t kCanary = 0x5afec0de5afec0deull;
inline volatile Bottom& bottom_of(char* stack) { return *reinterpret_cast<volatile Bottom*>(stack); }

// Stacks are kept for the next launch: new ones cost more than most kernels.
char* take_stack();
void give_stack(char* stack);
void abandon(char* stack);  // in the middle of its work

// Where the scheduler goes on, or a fiber does.
struct Place {
#if defined(__x86_64__)
  void* sp;
#else
  ucontext_t context;
#endif
#ifdef HC_TSAN
  void* tsan;
#endif
#ifdef HC_ASAN
  void* fake;
  const void* bottom;
  std::size_t size;
#endif
};

#if defined(__x86_64__)
extern "C" void hc_switch(void** save, void* load);
#endif

// `for_good`: nobody comes back to `from`.
inline void switch_places(Place& from, Place& to, bool for_good) {
  (void)for_good;
#ifdef HC_TSAN
  __tsan_switch_to_fiber(to.tsan, __tsan_switch_to_fiber_no_sync);
#endif
#ifdef HC_ASAN
  __sanitizer_start_switch_fiber(for_good ? nullptr : &from.fake, to.bottom, to.size);
#endif
#if defined(__x86_64__)
  hc_switch(&from.sp, to.sp);
#else
  swapcontext(&from.context, &to.context);
#endif
#ifdef HC_ASAN
  __sanitizer_finish_switch_fiber(from.fake, nullptr, nullptr);
#endif
}

// A fiber that begins with `entry`, which never returns.
void prepare(Place& place, char* stack, void (*entry)());

// The first words that a fiber says: the scheduler's own stack becomes known to the sanitizer.
inline void arrived(Place& scheduler) {
  (void)scheduler;
#ifdef HC_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &scheduler.bottom, &scheduler.size);
#endif
}

inline bool overflowed(char* stack) { return bottom_of(stack).canary != kCanary; }

}  // namespace hc
