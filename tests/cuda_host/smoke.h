// The arguments of smoke.cu's kernels.
#pragma once

namespace ossnb::cuda {

enum Fault { kNone, kForgetsBarrier, kMissesBarrier, kWritesTooFar, kWritesTooFarShared };

struct AxpyArgs {
  const float* x;
  float* y;
  float a;
  int n;
};

struct SumArgs {
  const int* x;
  int* out;
  int n_out, n_shared;
  Fault fault;
};

struct MeetArgs {
  unsigned *sum, *arrived, *out;
  unsigned n_wanted;
};

struct ShareArgs {
  int* out;
  int is_shared;
};

struct LastArgs {
  int* parts;
  unsigned* arrived;
  int* out;
};

struct SeamArgs {
  const unsigned* in;  // [n, 3], with 32 for each block
  unsigned* out;       // [2, n]
};

struct MmaArgs {           // a tile for each block
  const unsigned char* a;  // [tiles, 16, 32]
  const signed char* b;    // [tiles, 8, 32]: the columns
  int* d;                  // [tiles, 16, 8]
};

// What the operations of docs/NUMERICS.md give for a float x, y and z, and for two doubles.
struct Numbers {
  double wide_sum, wide_product, wide_quotient, noise;
  float fma, sum, difference, product, quotient, root, whole, of_integer;
  int nearest, unused;
};

struct NumbersArgs {
  const unsigned* in;  // [n, 4]: x, y, z and one more; two neighbours are a double
  Numbers* out;        // [n]
  int n;
};

}  // namespace ossnb::cuda
