// What the reports beside this file were made from, with nvcc 13.0, ptxas 12.9 and nvdisasm 13.5: an inner
// loop of products within an outer one, a division with its slow way, a loop that copies, a kernel without
// loops, and one that gets too few registers.
#define OSSNB_KERNEL(name, Args, threads) \
  extern "C" __global__ void __launch_bounds__(threads) name(const Args a)

struct Rows {
  const float* x;
  float* y;
  int rows, n;
};

OSSNB_KERNEL(sums, Rows, 64) {
  __shared__ float row[256];
  for (int r = 0; r < a.rows; ++r) {
    __syncthreads();
#pragma unroll 1
    for (int i = threadIdx.x; i < a.n; i += 64) row[i] = a.x[r * a.n + i];
    __syncthreads();
    float sum = 0;
#pragma unroll 4
    for (int i = 0; i < a.n; ++i) sum = __fmaf_rn(row[i], row[(i + threadIdx.x) & 255], sum);
    a.y[r * 64 + threadIdx.x] = __fdiv_rn(sum, row[threadIdx.x]);
  }
}

OSSNB_KERNEL(copies, Rows, 32) { a.y[threadIdx.x] = a.x[threadIdx.x]; }

OSSNB_KERNEL(meets, Rows, 64) {
  float sum = 0;
#pragma unroll 1
  for (int i = threadIdx.x; i < a.n; i += 64) {
    sum += __shfl_xor_sync(0xffffffffu, a.x[i], 1);
    sum += __shfl_xor_sync(0xffffffffu, sum, 2);
  }
  a.y[threadIdx.x] = sum;
}

extern "C" __global__ void __launch_bounds__(512, 3) crowded(const Rows a) {
  float s[44];
#pragma unroll
  for (int j = 0; j < 44; ++j) s[j] = a.x[threadIdx.x + j * 512];
#pragma unroll 1
  for (int i = 0; i < a.n; ++i) s[0] = __fmaf_rn(s[0], a.x[i], s[0]);
#pragma unroll
  for (int j = 0; j < 44; ++j) a.y[threadIdx.x + j * 512] = s[j] * s[(j + 1) % 44];
}
