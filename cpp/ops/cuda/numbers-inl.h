// The numbers that several kernels share: conversions, norms, exponentials and quantised groups, in the
// written orders of docs/NUMERICS.md. An operation that rounds is written as such; nvcc fuses none
// (-fmad=false).
#pragma once

#include "format/dtype.h"
#include "format/mxfp4.h"
#include "kernels/constants.h"
#include "ops/cuda/args.h"
#include "ops/cuda/seam.h"

namespace ossnb::cuda {

constexpr unsigned kWhole = 0xffffffffu;  // all threads of a warp
constexpr int kWarp = 32;

__device__ __forceinline__ float low_half(unsigned two) { return __uint_as_float(two << 16); }
__device__ __forceinline__ float high_half(unsigned two) { return __uint_as_float(two & 0xffff0000u); }

// The sum over 16 neighbouring threads in the order of tree16: addition commutes, so every thread has it.
__device__ __forceinline__ float tree16(float v) {
#pragma unroll
  for (int half = 8; half >= 1; half /= 2) v = __fadd_rn(v, __shfl_xor_sync(kWhole, v, half));
  return v;
}

__device__ __forceinline__ float exp1(float x) {
  using namespace kernels;
  if (!(x > kExpMin)) return 0.0f;  // a NaN too
  x = x < kExpMax ? x : kExpMax;
  const float n = rintf(__fmul_rn(x, kLog2E));
  float r = __fmaf_rn(n, -kLn2High, x);
  r = __fmaf_rn(n, -kLn2Low, r);
  constexpr float c0 = kExpPoly[0], c1 = kExpPoly[1], c2 = kExpPoly[2], c3 = kExpPoly[3], c4 = kExpPoly[4],
                  c5 = kExpPoly[5];  // device code sees no arrays of the host
  float p = __fmaf_rn(c0, r, c1);
  p = __fmaf_rn(p, r, c2);
  p = __fmaf_rn(p, r, c3);
  p = __fmaf_rn(p, r, c4);
  p = __fmaf_rn(p, r, c5);
  p = __fadd_rn(__fmaf_rn(p, __fmul_rn(r, r), r), 1.0f);
  return __fmul_rn(p, __uint_as_float(static_cast<unsigned>(__float2int_rn(n) + 127) << 23));
}

// 1 / rms of xs[n], by the first warp; the others wait for it at a barrier of their own.
__device__ __forceinline__ float rms_scale(const float* xs, int n, float eps) {
  const int lane = threadIdx.x % 16;
  float sum = 0;
#pragma unroll 8
  for (int i = lane; i < n; i += 16) sum = __fmaf_rn(xs[i], xs[i], sum);
  const float mean = __fdiv_rn(tree16(sum), static_cast<float>(n));
  return __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(mean, eps)));
}

// xs = norm(xs), by all threads of the block. `shared_scale`: a float of shared memory. Begins and ends with
// a barrier.
__device__ __forceinline__ void norm_block(float* xs, const bf16* weight, float eps, int n,
                                           float* shared_scale) {
  __syncthreads();
  if (threadIdx.x < kWarp) {
    const float r = rms_scale(xs, n, eps);
    if (threadIdx.x == 0) *shared_scale = r;
  }
  __syncthreads();
  const float r = *shared_scale;
  for (int i = threadIdx.x; i < n; i += blockDim.x)
    xs[i] = __fmul_rn(__fmul_rn(xs[i], r), bf16_to_f32(weight[i]));
  __syncthreads();
}

// One group of 32 activations as integers, by a warp; thread j has x of input j and gets the terms of its
// integer. All threads get -sum(v) and half the unit.
struct Quantized {
  int v;          // of this thread's input
  int minus_sum;  // undoes the lift of unsigned codes
  float half_unit;
};

__device__ __forceinline__ Quantized quantize_group(float x, int n_terms) {
  using namespace kernels;
  unsigned bits = __float_as_uint(x) & 0x7fffffffu;
#pragma unroll
  for (int half = 16; half >= 1; half /= 2) bits = max(bits, __shfl_xor_sync(kWhole, bits, half));
  const int exponent = max(static_cast<int>(bits >> 23), kMinExponent);
  if (exponent == 255) return {0, 0, __uint_as_float(0x7fc00000u)};  // an infinity or a NaN
  float to_int, half_unit;
  if (n_terms == 3) {
    to_int = __uint_as_float(static_cast<unsigned>(kToIntBias - exponent) << 23);
    half_unit = __uint_as_float(static_cast<unsigned>(exponent - kScaleBias) << 23);
  } else {
    const float largest = fmaxf(__uint_as_float(bits), kSmallestLargest);
    int best_top = kTop;
    float best = __uint_as_float(0x7f800000u);
    for (int top = kTop; top >= kLeastTop; --top) {
      const float u = __fmul_rn(x, __fdiv_rn(static_cast<float>(top), largest)), e = __fsub_rn(u, rintf(u));
      const float upper = __shfl_xor_sync(kWhole, e, 16);  // of input j + 16, in the lower threads
      const float sum = tree16(__fmaf_rn(upper, upper, __fmul_rn(e, e)));
      const float loss = __fdiv_rn(__shfl_sync(kWhole, sum, 0), static_cast<float>(top * top));
      if (loss < best) {
        best = loss;
        best_top = top;
      }
    }
    to_int = __fdiv_rn(static_cast<float>(best_top), largest);
    half_unit = __fdiv_rn(largest, static_cast<float>(2 * best_top));
  }
  const int v = __float2int_rn(__fmul_rn(x, to_int));
  int sum = v;
#pragma unroll
  for (int half = 16; half >= 1; half /= 2) sum += __shfl_xor_sync(kWhole, sum, half);
  return {v, -sum, half_unit};
}

// Writes one group of a row, by a warp.
__device__ __forceinline__ void store_group(unsigned char* row, const QuantRow& layout, int group,
                                            const Quantized& q, bool apart) {
  const int j = threadIdx.x % kWarp, place = apart ? j / 8 * 8 + (j & 1) * 4 + j % 8 / 2 : j;
  int rest = q.v;
  for (int term = layout.n_terms - 1; term >= 0; --term) {
    row[(term * layout.n_groups + group) * 32 + place] = static_cast<unsigned char>(rest);
    rest = (rest + 128) >> 8;  // the rest after the lowest byte, read as signed
  }
  if (j == 0) {
    reinterpret_cast<int*>(row + layout.sums_at())[group] = q.minus_sum;
    reinterpret_cast<float*>(row + layout.units_at())[group] = q.half_unit;
  }
}

// Runs step(i, loaded) for i < n; load(i) is called kAhead steps before.
template <int kAhead, class Loaded, class Load, class Step>
__device__ __forceinline__ void stream(int n, Load load, Step step) {
  Loaded next[kAhead];
#pragma unroll
  for (int u = 0; u < kAhead; ++u) next[u] = load(min(u, n - 1));
  int i = 0;
  for (; i + kAhead <= n; i += kAhead) {
    Loaded now[kAhead];
#pragma unroll
    for (int u = 0; u < kAhead; ++u) now[u] = next[u];
#pragma unroll
    for (int u = 0; u < kAhead; ++u) next[u] = load(min(i + kAhead + u, n - 1));
#pragma unroll
    for (int u = 0; u < kAhead; ++u) step(i + u, now[u]);
  }
#pragma unroll
  for (int u = 0; u < kAhead; ++u) {
    if (i + u < n) step(i + u, next[u]);
  }
}

// Whether this block is the last of n that come. What the others wrote is there then. The counter is zero
// before and after.
__device__ __forceinline__ bool arrives_last(unsigned* arrived, unsigned n, unsigned* said) {
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    *said = atomicAdd(arrived, 1u) + 1 == n;
    if (*said) atomicExch(arrived, 0u);  // a plain store would race with what the others added
  }
  __syncthreads();
  __threadfence();
  return *said;
}

// The activation of a gate and its up.
__device__ __forceinline__ float swiglu1(float gate, float up, float limit, float alpha) {
  gate = gate < limit ? gate : limit;
  up = up < limit ? up : limit;
  up = up > -limit ? up : -limit;
  return __fdiv_rn(__fmul_rn(__fadd_rn(up, 1.0f), gate), __fadd_rn(1.0f, exp1(-__fmul_rn(alpha, gate))));
}

}  // namespace ossnb::cuda
