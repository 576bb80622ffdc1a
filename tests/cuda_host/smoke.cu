// Kernels of the tests' own: what works, and faults that the harness has to find.
#include "choice/noise.h"
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
  const unsigned n = 32 * gridDim.x, i = 32 * blockIdx.x + threadIdx.x;
  const unsigned* in = a.in + 3 * i;
  a.out[i] = dev::permute(in[0], in[1], in[2]);
  a.out[n + i] = static_cast<unsigned>(dev::dot4(in[0], in[1], static_cast<int>(in[2])));
}

// d = a b for one tile.
OSSNB_KERNEL(smoke_mma, MmaArgs, 32) {
  const int lane = static_cast<int>(threadIdx.x), q = lane % 4, p = lane / 4;
  const unsigned char* tile = a.a + 16 * 32 * blockIdx.x;
  unsigned rows[4];
  for (int i = 0; i < 4; ++i) {
    const unsigned char* from = tile + (p + 8 * (i & 1)) * 32 + 16 * (i >> 1) + 4 * q;
    rows[i] = from[0] | from[1] << 8 | from[2] << 16 | static_cast<unsigned>(from[3]) << 24;
  }
  const unsigned* column = reinterpret_cast<const unsigned*>(a.b + 8 * 32 * blockIdx.x + p * 32);
  int* out = a.d + 16 * 8 * blockIdx.x;
  int d[4] = {};
  dev::mma_u8_s8(d, rows, column[q], column[q + 4]);
  for (int i = 0; i < 4; ++i) out[(p + 8 * (i >> 1)) * 8 + 2 * q + (i & 1)] = d[i];
}

// Every operation that rounds, on registers of any content.
OSSNB_KERNEL(smoke_numbers, NumbersArgs, 128) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= a.n) return;
  const unsigned* in = a.in + 4 * i;
  const float x = __uint_as_float(in[0]), y = __uint_as_float(in[1]), z = __uint_as_float(in[2]);
  const auto wide = [](unsigned low, unsigned high) {
    return __longlong_as_double(static_cast<long long>(static_cast<unsigned long long>(high) << 32 | low));
  };
  const double v = wide(in[0], in[1]), w = wide(in[2], in[3]);
  Numbers& out = a.out[i];
  out.wide_sum = __dadd_rn(v, w);
  out.wide_product = __dmul_rn(v, w);
  out.wide_quotient = v / w;
  out.noise = noise_of(in[0]);
  out.fma = __fmaf_rn(x, y, z);
  out.sum = __fadd_rn(x, y);
  out.difference = __fsub_rn(x, y);
  out.product = __fmul_rn(x, y);
  out.quotient = __fdiv_rn(x, y);
  out.root = __fsqrt_rn(x);
  out.whole = rintf(x);
  out.of_integer = __int2float_rn(static_cast<int>(in[0]));
  out.nearest = __float2int_rn(x);
}

}  // namespace ossnb::cuda
