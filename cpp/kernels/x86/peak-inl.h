// The peak of dpbusd() on Bytes, a register. Accumulators are named one by one: in an array the compiler
// keeps them in memory and the peak comes out at a third.
#define OSSNB_EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
static double int8_peak(long n) {
  Bytes a = Bytes{} + 0x0303030303030303, b = Bytes{} + 0x0101010101010101;
#define OSSNB_DECLARE(i) Bytes acc##i = {};
  OSSNB_EACH(OSSNB_DECLARE)
  for (long i = 0; i < n; ++i) {
#define OSSNB_STEP(i)            \
  acc##i = dpbusd(acc##i, a, b); \
  asm volatile("" : "+v"(acc##i), "+v"(a));
    OSSNB_EACH(OSSNB_STEP)
  }
  return 12.0 * sizeof(Bytes) * 2;
}
#undef OSSNB_EACH
#undef OSSNB_DECLARE
#undef OSSNB_STEP
