// Steps that take each row by itself: the embedding, norms, and the sum of the experts.
#include "ops/cuda/numbers-inl.h"

namespace ossnb::cuda {

OSSNB_KERNEL(embed, EmbedArgs, 256) {
  const bf16* from = a.from + static_cast<std::size_t>(blockIdx.x) * a.width;
  float* to = a.x + static_cast<std::size_t>(blockIdx.x) * a.width;
  for (int i = threadIdx.x; i < a.width; i += blockDim.x) to[i] = bf16_to_f32(from[i]);
}

OSSNB_KERNEL(gather, GatherArgs, 256) {
  const float* from = a.from + static_cast<std::size_t>(a.rows[blockIdx.x]) * a.width;
  float* to = a.to + static_cast<std::size_t>(blockIdx.x) * a.width;
  for (int i = threadIdx.x; i < a.width; i += blockDim.x) to[i] = from[i];
}

OSSNB_KERNEL(norm_rows, NormArgs, 512) {
  float* xs = reinterpret_cast<float*>(dev::shared());  // [width], then the scale
  const std::size_t row = blockIdx.x;
  for (int i = threadIdx.x; i < a.width; i += blockDim.x) xs[i] = a.x[row * a.width + i];
  if (a.weight) {
    norm_block(xs, a.weight, a.eps, a.width, xs + a.width);
  } else {
    __syncthreads();
  }
  if (a.out) {
    for (int i = threadIdx.x; i < a.width; i += blockDim.x) a.out[row * a.width + i] = xs[i];
  }
  if (a.quant) {
    const QuantRow layout(a.width, a.n_terms);
    for (int g = threadIdx.x / kWarp; g < layout.n_groups; g += blockDim.x / kWarp) {
      const Quantized q = quantize_group(xs[g * kGroup + threadIdx.x % kWarp], a.n_terms);
      store_group(a.quant + row * layout.bytes(), layout, g, q, a.apart);
    }
  }
}

OSSNB_KERNEL(combine, CombineArgs, 256) {
  const std::size_t row = blockIdx.y;
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= a.width) return;
  const float* y = a.y + row * a.n_chosen * a.width + i;
  const float* weight = a.weight + row * a.n_chosen;
  float sum = __fmul_rn(weight[0], y[0]);
  for (int e = 1; e < a.n_chosen; ++e) {
    sum = __fadd_rn(sum, __fmul_rn(weight[e], y[static_cast<std::size_t>(e) * a.width]));
  }
  float* x = a.x + row * a.width + i;
  *x = __fadd_rn(*x, sum);
}

}  // namespace ossnb::cuda
