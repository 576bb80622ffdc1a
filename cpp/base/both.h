// A mark for functions that run on the CPU and in the GPU's kernels alike: one definition, the same bits.
#pragma once

#ifdef __CUDACC__
#define OSSNB_BOTH __host__ __device__
#else
#define OSSNB_BOTH
#endif
