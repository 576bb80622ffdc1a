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
  const unsigned* in;  // [32, 3]
  unsigned* out;       // [2, 32]
};

struct MmaArgs {
  const unsigned char* a;  // [16, 32]
  const signed char* b;    // [8, 32]: the columns
  int* d;                  // [16, 8]
};

}  // namespace ossnb::cuda
