// The intrinsics of CUDA that kernels use, for host_cuda.h: meetings of a warp, atomics, arithmetic in which
// every operation rounds once (so: -ffp-contract=off), and vectors of registers.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

struct alignas(16) uint4 {
  std::uint32_t x, y, z, w;
};
struct alignas(16) int4 {
  std::int32_t x, y, z, w;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) uint2 {
  std::uint32_t x, y;
};
struct alignas(8) int2 {
  std::int32_t x, y;
};
struct alignas(8) float2 {
  float x, y;
};
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline float2 make_float2(float x, float y) { return {x, y}; }

// ---- meetings ---------------------------------------------------------------------------------------------

inline void __syncthreads() { hc::block_barrier("__syncthreads"); }
inline void __syncwarp(unsigned mask = 0xffffffffu) {
  if (mask != 0xffffffffu) throw hc::Failure("only masks of a full warp are supported");
  hc::warp_barrier("__syncwarp", true);
}
template <class T>
T __shfl_sync(unsigned mask, T v, int from, int width = 32) {
  const int first = hc::self->lane / width * width;
  return hc::lane_value<T>(hc::show_value(mask, v, "__shfl_sync"), first + (from & (width - 1)));
}
template <class T>
T __shfl_xor_sync(unsigned mask, T v, int bits, int width = 32) {
  const int lane = hc::self->lane, other = lane ^ bits;
  return hc::lane_value<T>(hc::show_value(mask, v, "__shfl_xor_sync"),
                           other / width <= lane / width ? other & 31 : lane);
}
template <class T>
T __shfl_down_sync(unsigned mask, T v, unsigned by, int width = 32) {
  const int lane = hc::self->lane, other = lane + static_cast<int>(by);
  return hc::lane_value<T>(hc::show_value(mask, v, "__shfl_down_sync"),
                           other / width == lane / width ? other : lane);
}
template <class T>
T __shfl_up_sync(unsigned mask, T v, unsigned by, int width = 32) {
  const int lane = hc::self->lane, other = lane - static_cast<int>(by);
  return hc::lane_value<T>(hc::show_value(mask, v, "__shfl_up_sync"),
                           other >= lane / width * width ? other : lane);
}
inline unsigned __ballot_sync(unsigned mask, int is_set) {
  const unsigned char* shown = hc::show_value(mask, is_set, "__ballot_sync");
  unsigned all = 0;
  for (int i = 0; i < 32; ++i) all |= static_cast<unsigned>(hc::lane_value<int>(shown, i) != 0) << i;
  return all;
}
inline int __any_sync(unsigned mask, int is_set) { return __ballot_sync(mask, is_set) != 0; }
inline int __all_sync(unsigned mask, int is_set) { return __ballot_sync(mask, is_set) == 0xffffffffu; }

// ---- memory -----------------------------------------------------------------------------------------------

template <class T>
T atomicAdd(T* at, T v) {
  static_assert(std::is_integral_v<T>, "sums of floats in the order of arrival are not reproducible");
  return __atomic_fetch_add(at, v, __ATOMIC_RELAXED);
}
template <class T>
T atomicExch(T* at, T v) {
  return __atomic_exchange_n(at, v, __ATOMIC_RELAXED);
}
template <class T>
T atomicCAS(T* at, T expected, T v) {
  __atomic_compare_exchange_n(at, &expected, v, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return expected;
}
template <class T>
T atomicMax(T* at, T v) {
  T old = __atomic_load_n(at, __ATOMIC_RELAXED);
  while (old < v && !__atomic_compare_exchange_n(at, &old, v, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return old;
}
template <class T>
T atomicMin(T* at, T v) {
  T old = __atomic_load_n(at, __ATOMIC_RELAXED);
  while (v < old && !__atomic_compare_exchange_n(at, &old, v, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return old;
}
template <class T>
T atomicOr(T* at, T v) {
  return __atomic_fetch_or(at, v, __ATOMIC_RELAXED);
}
inline void __threadfence() { hc::fence(); }
inline void __threadfence_block() { hc::fence(); }
inline void __nanosleep(unsigned) { hc::yield(); }
template <class T>
T __ldg(const T* at) {
  return *at;
}

// ---- numbers ----------------------------------------------------------------------------------------------

inline float __uint_as_float(unsigned u) { return std::bit_cast<float>(u); }
inline float __int_as_float(int i) { return std::bit_cast<float>(i); }
inline unsigned __float_as_uint(float f) { return std::bit_cast<unsigned>(f); }
inline int __float_as_int(float f) { return std::bit_cast<int>(f); }
inline long long __double_as_longlong(double d) { return std::bit_cast<long long>(d); }
inline double __longlong_as_double(long long i) { return std::bit_cast<double>(i); }

inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return std::sqrt(a); }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __dsqrt_rn(double a) { return std::sqrt(a); }

namespace hc {

// A float as an integer, as a GPU converts it: to nearest even, what is too large becomes the last number,
// NaN 0 (as an int) or the lowest number (as a long long).
template <class Integer, class Float>
Integer nearest(Float a) {
  using Limits = std::numeric_limits<Integer>;
  if (a != a) return sizeof(Integer) == 4 ? 0 : std::is_signed_v<Integer> ? Limits::min() : Integer{1} << 63;
  const Float rounded = std::nearbyint(a);
  if (rounded <= static_cast<Float>(Limits::min())) return Limits::min();
  if (rounded >= std::ldexp(Float{1}, Limits::digits)) return Limits::max();
  return static_cast<Integer>(rounded);
}

}  // namespace hc

inline float __int2float_rn(int a) { return static_cast<float>(a); }
inline float __uint2float_rn(unsigned a) { return static_cast<float>(a); }
inline float __ll2float_rn(long long a) { return static_cast<float>(a); }
inline double __int2double_rn(int a) { return a; }
inline double __uint2double_rn(unsigned a) { return a; }
inline double __ll2double_rn(long long a) { return static_cast<double>(a); }
inline double __ull2double_rn(unsigned long long a) { return static_cast<double>(a); }
inline int __float2int_rn(float a) { return hc::nearest<int>(a); }
inline unsigned __float2uint_rn(float a) { return hc::nearest<unsigned>(a); }
inline int __float2int_rz(float a) { return hc::nearest<int>(std::trunc(a)); }
inline int __double2int_rn(double a) { return hc::nearest<int>(a); }
inline long long __double2ll_rn(double a) { return hc::nearest<long long>(a); }
inline float __double2float_rn(double a) { return static_cast<float>(a); }

inline int __popc(unsigned a) { return std::popcount(a); }
inline int __clz(int a) { return std::countl_zero(static_cast<unsigned>(a)); }
inline int __ffs(int a) { return a == 0 ? 0 : std::countr_zero(static_cast<unsigned>(a)) + 1; }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(static_cast<std::uint64_t>(a) * b >> 32);
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned by) {
  const std::uint64_t both = static_cast<std::uint64_t>(high) << 32 | low;
  return static_cast<unsigned>(both << (by & 31) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned by) {
  const std::uint64_t both = static_cast<std::uint64_t>(high) << 32 | low;
  return static_cast<unsigned>(both >> (by & 31));
}
inline unsigned __vsub4(unsigned a, unsigned b) {  // four bytes, each by itself
  return ((a | 0x80808080u) - (b & 0x7f7f7f7fu)) ^ ((a ^ ~b) & 0x80808080u);
}

// CUDA's own are in the global namespace, for equal types of both arguments or for a mix of integers.
using std::max;
using std::min;
