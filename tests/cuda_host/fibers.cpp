#include "fibers.h"

#include <pthread.h>

#include "host_cuda.h"

#if defined(__x86_64__)
asm(".text\n.globl hc_switch\n.hidden hc_switch\n.type hc_switch,@function\nhc_switch:\n"
    "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
    "  movq %rsp,(%rdi)\n  movq %rsi,%rsp\n"
    "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n  ret\n"
    ".size hc_switch,.-hc_switch\n");
#endif

namespace hc {
namespace {

char* free_stacks;
pthread_mutex_t stacks_mutex = PTHREAD_MUTEX_INITIALIZER;

}  // namespace

char* take_stack() {
  pthread_mutex_lock(&stacks_mutex);
  char* stack = free_stacks;
  if (stack != nullptr) free_stacks = bottom_of(stack).next;
  pthread_mutex_unlock(&stacks_mutex);
  if (stack != nullptr) return stack;
  stack = static_cast<char*>(std::aligned_alloc(64, kStack));
  if (stack == nullptr) throw Failure("no memory for the stacks of a block");
  bottom_of(stack).tsan = nullptr;
  return stack;
}

void give_stack(char* stack) {
  pthread_mutex_lock(&stacks_mutex);
  bottom_of(stack).next = free_stacks;
  free_stacks = stack;
  pthread_mutex_unlock(&stacks_mutex);
}

void abandon(char* stack) {
  (void)stack;
#ifdef HC_TSAN
  __tsan_destroy_fiber(bottom_of(stack).tsan);
  bottom_of(stack).tsan = nullptr;
#endif
}

void prepare(Place& place, char* stack, void (*entry)()) {
#ifdef HC_ASAN
  __asan_unpoison_memory_region(stack, kStack);  // what an abandoned fiber left
  place.bottom = stack;
  place.size = kStack;
  place.fake = nullptr;
#endif
  bottom_of(stack).canary = kCanary;
#ifdef HC_TSAN
  if (bottom_of(stack).tsan == nullptr) bottom_of(stack).tsan = __tsan_create_fiber(0);
  place.tsan = bottom_of(stack).tsan;
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

}  // namespace hc
