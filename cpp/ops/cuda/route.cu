// From the residual stream to the experts: norm, router, the likeliest experts, and the activations as
// integers. A block computes a few of the router's logits and some groups of integers; the last of a row that
// comes chooses.
#include "ops/cuda/numbers-inl.h"

namespace ossnb::cuda {

namespace {

// The chosen experts of a row and their weights, by a warp: a softmax over the chosen ones.
__device__ __forceinline__ void choose_experts(const RouteArgs& a, std::size_t row) {
  const volatile float* logits = a.logits + row * a.n_experts;
  std::int32_t* chosen = a.chosen + row * a.n_chosen;
  float* weight = a.expert_weight + row * a.n_chosen;
  const int lane = threadIdx.x % kWarp;
  float first = 0, sum = 0;
  for (int i = 0; i < a.n_chosen; ++i) {
    int best = -1;
    float top = 0;
    for (int e = lane; e < a.n_experts; e += kWarp) {
      bool is_left = true;
      for (int j = 0; j < i; ++j) is_left = is_left && chosen[j] != e;
      const float logit = logits[e];
      if (is_left && (best < 0 || logit > top)) {
        best = e;
        top = logit;
      }
    }
#pragma unroll
    for (int half = 16; half >= 1; half /= 2) {  // a tie goes to the lower index
      const int other = __shfl_xor_sync(kWhole, best, half);
      const float logit = __shfl_xor_sync(kWhole, top, half);
      if (other >= 0 && (best < 0 || logit > top || (logit == top && other < best))) {
        best = other;
        top = logit;
      }
    }
    best = __shfl_sync(kWhole, best, 0);  // where NaNs have left the threads of two minds
    top = __shfl_sync(kWhole, top, 0);
    if (i == 0) first = top;
    const float w = exp1(__fsub_rn(top, first));
    sum = __fadd_rn(sum, w);
    if (lane == 0) {
      chosen[i] = best;
      weight[i] = w;
    }
    __syncwarp();
  }
  if (lane < a.n_chosen) weight[lane] = __fdiv_rn(weight[lane], sum);
}

}  // namespace

OSSNB_KERNEL(route, RouteArgs, 128) {
  const std::size_t row = blockIdx.y;
  float* xs = reinterpret_cast<float*>(dev::shared());  // [D], the scale and the answer, then weights [8, D]
  auto* is_last = reinterpret_cast<unsigned*>(xs + a.width + 1);
  auto* weights = reinterpret_cast<bf16*>(xs + a.width + 4);
  const int first = blockIdx.x * kRouterRows, n = min(kRouterRows, a.n_experts - first) * a.width;
  const auto* from = reinterpret_cast<const uint4*>(a.weight + static_cast<std::size_t>(first) * a.width);
#pragma unroll 8
  for (int i = threadIdx.x; i < n / 8; i += blockDim.x) {  // the norm does not wait for them
    reinterpret_cast<uint4*>(weights)[i] = dev::load_once(from + i);
  }
  for (int i = threadIdx.x; i < a.width; i += blockDim.x) xs[i] = a.x[row * a.width + i];
  norm_block(xs, a.norm, a.eps, a.width, xs + a.width);

  const int expert = first + threadIdx.x / 16;
  const bf16* w = weights + (min(expert, a.n_experts - 1) - first) * a.width;
  float sum = 0;
#pragma unroll 8
  for (int i = threadIdx.x % 16; i < a.width; i += 16) sum = __fmaf_rn(bf16_to_f32(w[i]), xs[i], sum);
  sum = tree16(sum);
  if (threadIdx.x % 16 == 0 && expert < a.n_experts) {
    a.logits[row * a.n_experts + expert] = __fadd_rn(sum, bf16_to_f32(a.bias[expert]));
  }
  if (a.normed && blockIdx.x == 0) {
    for (int i = threadIdx.x; i < a.width; i += blockDim.x) a.normed[row * a.width + i] = xs[i];
  }
  if (a.quant) {
    const QuantRow layout(a.width, a.n_terms);
    const int n_warps = blockDim.x / kWarp, warp = blockIdx.x * n_warps + threadIdx.x / kWarp;
    for (int g = warp; g < layout.n_groups; g += gridDim.x * n_warps) {
      const Quantized q = quantize_group(xs[g * kGroup + threadIdx.x % kWarp], a.n_terms);
      store_group(a.quant + row * layout.bytes(), layout, g, q, false);
    }
  }
  if (!arrives_last(a.arrived + row, gridDim.x, is_last)) return;
  if (threadIdx.x < kWarp) choose_experts(a, row);
}

// Sorts pairs by expert, in one block. The order within an expert may vary: no pair's result depends on it.
OSSNB_KERNEL(sort_pairs, SortArgs, 1024) {
  auto* count = reinterpret_cast<int*>(dev::shared());  // [E], then where each expert's pairs go on
  int* next = count + a.n_experts;
  for (int e = threadIdx.x; e < a.n_experts; e += blockDim.x) count[e] = 0;
  __syncthreads();
  for (int i = threadIdx.x; i < a.n_pairs; i += blockDim.x) atomicAdd(&count[a.chosen[i]], 1);
  __syncthreads();
  if (threadIdx.x == 0) {
    int first = 0, n_work = 0;
    for (int e = 0; e < a.n_experts; ++e) {
      next[e] = first;
      for (int done = 0; done < count[e]; done += kTileTokens) {
        a.work[n_work++] = {e, first + done, min(kTileTokens, count[e] - done)};
      }
      first += count[e];
    }
    for (; n_work < a.most_work; ++n_work) a.work[n_work] = {0, 0, 0};
  }
  __syncthreads();
  for (int i = threadIdx.x; i < a.n_pairs; i += blockDim.x) a.pairs[atomicAdd(&next[a.chosen[i]], 1)] = i;
}

}  // namespace ossnb::cuda
