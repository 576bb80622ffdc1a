// Kernels of the tests' own: what works, and faults that the harness has to find.
#include "ops/cuda/seam.h"
#include "smoke.h"

namespace ossnb::cuda {

// y[i] = a x[i] + y[i]
OSSNB_KERNEL(smoke_axpy, AxpyArgs, 256) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < a.n) a.y[i] = __fmaf_rn(a.a, a.x[i], a.y[i]);
}

// out[block] = the sum of the block's 256 numbers, by shared memory and shuffles.
OSSNB_KERNEL(smoke_sum, SumArgs, 256) {
  int* parts = reinterpret_cast<int*>(dev::shared());
  const int t = static_cast<int>(threadIdx.x), warp = t / 32;
  int sum = a.x[blockIdx.x * 256 + t];
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
  if (t % 32 == 0) parts[warp] = sum;
  if (a.fault != kForgetsBarrier) __syncthreads();
  if (a.fault == kMissesBarrier && t == 7) return;
  if (a.fault == kMissesBarrier) __syncthreads();
  if (t == 0) {
    for (int i = 1; i < 8; ++i) sum += parts[i];
    a.out[blockIdx.x + (a.fault == kWritesTooFar ? a.n_out : 0)] = sum;
  }
  if (a.fault == kWritesTooFarShared && t == 255) parts[a.n_shared] = 1;
}

// Blocks that wait for each other: each adds its number, and out[block] is the sum of all.
OSSNB_KERNEL(smoke_meet, MeetArgs, 32) {
  if (threadIdx.x == 0) {
    atomicAdd(a.sum, blockIdx.x + 1);
    __threadfence();
    atomicAdd(a.arrived, 1u);
    while (atomicAdd(a.arrived, 0u) < a.n_wanted) __nanosleep(100);
    a.out[blockIdx.x] = atomicAdd(a.sum, 0u);
  }
}

// Two blocks write one number, unless each has its own.
OSSNB_KERNEL(smoke_share, ShareArgs, 32) {
  if (threadIdx.x == 0) a.out[a.is_shared ? 0 : blockIdx.x] = static_cast<int>(blockIdx.x);
}

// Each block puts down its number; the one that comes last adds them all.
OSSNB_KERNEL(smoke_last, LastArgs, 32) {
  if (threadIdx.x != 0) return;
  a.parts[blockIdx.x] = static_cast<int>(blockIdx.x) + 1;
  __threadfence();
  if (atomicAdd(a.arrived, 1u) + 1 < gridDim.x) return;
  __threadfence();
  int sum = 0;
  for (unsigned i = 0; i < gridDim.x; ++i) sum += a.parts[i];
  *a.out = sum;
}

// The other instructions of the seam: out[i] = what permute gives, out[n + i] = what dot4 gives.
OSSNB_KERNEL(smoke_seam, SeamArgs, 32) {
  const unsigned* in = a.in + 3 * threadIdx.x;
  a.out[threadIdx.x] = dev::permute(in[0], in[1], in[2]);
  a.out[32 + threadIdx.x] = static_cast<unsigned>(dev::dot4(in[0], in[1], static_cast<int>(in[2])));
}

// d = a b for one tile.
OSSNB_KERNEL(smoke_mma, MmaArgs, 32) {
  const int lane = static_cast<int>(threadIdx.x), q = lane % 4, p = lane / 4;
  unsigned rows[4];
  for (int i = 0; i < 4; ++i) {
    const unsigned char* from = a.a + (p + 8 * (i & 1)) * 32 + 16 * (i >> 1) + 4 * q;
    rows[i] = from[0] | from[1] << 8 | from[2] << 16 | static_cast<unsigned>(from[3]) << 24;
  }
  const unsigned* column = reinterpret_cast<const unsigned*>(a.b + p * 32);
  int d[4] = {};
  dev::mma_u8_s8(d, rows, column[q], column[q + 4]);
  for (int i = 0; i < 4; ++i) a.d[(p + 8 * (i >> 1)) * 8 + 2 * q + (i & 1)] = d[i];
}

}  // namespace ossnb::cuda
