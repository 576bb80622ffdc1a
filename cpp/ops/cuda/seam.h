// The seam of the GPU's kernels: whatever a .cu file uses beyond plain CUDA C++. nvcc compiles one side of
// it; the other (OSSNB_CUDA_HOST, tests/cuda_host) runs the same kernels on a CPU.
#pragma once

#include <cstdint>

#ifdef OSSNB_CUDA_HOST
#include <host_cuda.h>  // tests/cuda_host
#endif

// A kernel: a function `name` of one argument, a struct `Args`, which the program that launches it includes
// from args.h, too. `threads`: the most that a block has. A fourth argument, for the compiler: how many
// blocks should at least run at once. Fewer than it aims at give each thread more registers.
#ifdef OSSNB_CUDA_HOST
#define OSSNB_KERNEL(name, Args, threads, ...)                                              \
  static void name##_kernel(const Args&);                                                   \
  static const hc::Kernel name##_entry{#name, sizeof(Args), threads, [](const void* args) { \
                                         name##_kernel(*static_cast<const Args*>(args));    \
                                       }};                                                  \
  static void name##_kernel(const Args& a)
#else
#define OSSNB_KERNEL(name, Args, threads, ...)                                     \
  static __device__ __forceinline__ void name##_kernel(const Args& a);             \
  extern "C" __global__ void __launch_bounds__(threads __VA_OPT__(, ) __VA_ARGS__) \
      name(const __grid_constant__ Args a) {                                       \
    ossnb::cuda::dev::take_turn();                                                 \
    name##_kernel(a);                                                              \
  }                                                                                \
  static __device__ __forceinline__ void name##_kernel(const Args& a)
#endif

namespace ossnb::cuda::dev {

// Waits until the kernel before this one has ended and all that it wrote can be read; then the next one's
// blocks may come in where there is room, and wait, too. So the card is never idle between two kernels. Every
// kernel begins with this: one that did not could end before the kernel before it, and the next would read
// what is not there yet.
__device__ __forceinline__ void take_turn() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// The block's dynamic shared memory.
__device__ __forceinline__ unsigned char* shared() {
#ifdef OSSNB_CUDA_HOST
  return hc::self->shared;
#else
  extern __shared__ __align__(16) unsigned char bytes[];
  return bytes;
#endif
}

// Four bytes chosen from a (0-3) and b (4-7); bit 3 of a selector nibble spreads the chosen byte's sign
// instead.
__device__ __forceinline__ unsigned permute(unsigned a, unsigned b, unsigned selector) {
  unsigned chosen = 0;
#ifdef OSSNB_CUDA_HOST
  const std::uint64_t both = static_cast<std::uint64_t>(b) << 32 | a;
  for (int i = 0; i < 4; ++i) {
    const unsigned nibble = selector >> (4 * i) & 15;
    unsigned byte = static_cast<unsigned>(both >> (8 * (nibble & 7))) & 255;
    if (nibble & 8) byte = byte & 128 ? 255 : 0;
    chosen |= byte << (8 * i);
  }
#else
  asm("prmt.b32 %0, %1, %2, %3;" : "=r"(chosen) : "r"(a), "r"(b), "r"(selector));
#endif
  return chosen;
}

// sum plus the products of four signed bytes of a and b.
__device__ __forceinline__ int dot4(unsigned a, unsigned b, int sum) {
#ifdef OSSNB_CUDA_HOST
  unsigned wrapped = static_cast<unsigned>(sum);  // as the card's sum is
  for (int i = 0; i < 4; ++i) {
    wrapped += static_cast<unsigned>(static_cast<signed char>(a >> (8 * i)) *
                                     static_cast<signed char>(b >> (8 * i)));
  }
  sum = static_cast<int>(wrapped);
#else
  asm("dp4a.s32.s32 %0, %1, %2, %0;" : "+r"(sum) : "r"(a), "r"(b));
#endif
  return sum;
}

// 16 bytes that this block reads once: they need no place in the first cache.
__device__ __forceinline__ uint4 load_once(const uint4* from) {
#ifdef OSSNB_CUDA_HOST
  return *from;
#else
  uint4 v;
  asm("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];"
      : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
      : "l"(from));
  return v;
#endif
}
__device__ __forceinline__ unsigned load_once(const unsigned* from) {
#ifdef OSSNB_CUDA_HOST
  return *from;
#else
  unsigned v;
  asm("ld.global.nc.L1::no_allocate.u32 %0, [%1];" : "=r"(v) : "l"(from));
  return v;
#endif
}

// d += a b on int32 sums: a is 16 x 32 unsigned bytes, b 32 x 8 signed bytes. Lane l (q = l % 4, p = l / 4)
// holds a[0]: row p, k 4q .. 4q + 3; a[1]: row p + 8; a[2], a[3]: the same at k + 16; b0: column p, k 4q ..;
// b1: k + 16; d[0], d[1]: row p, columns 2q, 2q + 1; d[2], d[3]: row p + 8.
__device__ __forceinline__ void mma_u8_s8(int (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
#ifdef OSSNB_CUDA_HOST
  hc::mma_u8_s8(d, a, b0, b1);
#elif __CUDA_ARCH__ >= 800
  asm("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else  // four of the smaller instruction, whose lanes hold the same parts
  const unsigned b[2] = {b0, b1};
  for (int half = 0; half < 2; ++half) {
    for (int rows = 0; rows < 2; ++rows) {
      asm("mma.sync.aligned.m8n8k16.row.col.s32.u8.s8.s32 {%0,%1}, {%2}, {%3}, {%0,%1};"
          : "+r"(d[2 * rows]), "+r"(d[2 * rows + 1])
          : "r"(a[2 * half + rows]), "r"(b[half]));
    }
  }
#endif
}

}  // namespace ossnb::cuda::dev
