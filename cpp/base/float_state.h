// The floating-point state that the contract of bits supposes: rounding to nearest, subnormal numbers as they
// are. Another library in the process may have changed it; code built with -ffast-math does so when it is
// loaded.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace ossnb {

// While this lives, the state of its thread is plain. Then the thread gets its former state back.
class PlainFloats {
 public:
  PlainFloats() : before_(get()) {
    if (before_ != kPlain) set(kPlain);
  }
  ~PlainFloats() {
    if (before_ != kPlain) set(before_);
  }
  PlainFloats(const PlainFloats&) = delete;
  PlainFloats& operator=(const PlainFloats&) = delete;

 private:
#if defined(__x86_64__)
  using Word = unsigned;
  static constexpr Word kPlain = 0x1F80, kFlags = 0x3F;  // all exceptions masked; flags of seen exceptions
  static Word get() { return _mm_getcsr() & ~kFlags; }
  static void set(Word word) { _mm_setcsr(word | (_mm_getcsr() & kFlags)); }
#elif defined(__aarch64__)
  using Word = std::uint64_t;
  static constexpr Word kPlain = 0;
  static Word get() {
    Word word;
    asm volatile("mrs %0, fpcr" : "=r"(word));
    return word;
  }
  static void set(Word word) { asm volatile("msr fpcr, %0" ::"r"(word)); }
#else
  using Word = int;
  static constexpr Word kPlain = 0;
  static Word get() { return kPlain; }
  static void set(Word) {}
#endif

  const Word before_;
};

}  // namespace ossnb
