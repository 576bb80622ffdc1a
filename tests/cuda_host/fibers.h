// A fiber: a stack and a place to go on. For host_cuda.cpp alone, which is not instrumented by the
// sanitizers; here they are told about every switch.
#pragma once

#include <sys/mman.h>

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
constexpr std::uint64_t kCanary = 0x5afec0de5afec0deull;

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
asm(".text\n.globl hc_switch\n.hidden hc_switch\n.type hc_switch,@function\nhc_switch:\n"
    "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
    "  movq %rsp,(%rdi)\n  movq %rsi,%rsp\n"
    "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n  ret\n"
    ".size hc_switch,.-hc_switch\n");
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
inline void prepare(Place& place, char* stack, void (*entry)()) {
  *reinterpret_cast<volatile std::uint64_t*>(stack) = kCanary;
#ifdef HC_ASAN
  __asan_unpoison_memory_region(stack, kStack);  // what an abandoned fiber left
  place.bottom = stack;
  place.size = kStack;
  place.fake = nullptr;
#endif
#ifdef HC_TSAN
  place.tsan = __tsan_create_fiber(0);
#endif
#if defined(__x86_64__)
  void** top =
      reinterpret_cast<void**>((reinterpret_cast<std::uintptr_t>(stack) + kStack) & ~std::uintptr_t{15});
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  place.sp = top;
#else
  getcontext(&place.context);
  place.context.uc_stack.ss_sp = stack;
  place.context.uc_stack.ss_size = kStack;
  place.context.uc_link = nullptr;
  makecontext(&place.context, entry, 0);
#endif
}

inline void dispose(Place& place) {
  (void)place;
#ifdef HC_TSAN
  __tsan_destroy_fiber(place.tsan);
#endif
}

// The first words that a fiber says: the scheduler's own stack becomes known to the sanitizer.
inline void arrived(Place& scheduler) {
  (void)scheduler;
#ifdef HC_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &scheduler.bottom, &scheduler.size);
#endif
}

inline bool overflowed(const char* stack) {
  return *reinterpret_cast<const volatile std::uint64_t*>(stack) != kCanary;
}

}  // namespace hc
