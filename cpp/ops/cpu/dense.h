// The attention's matrices, and products with them.
#pragma once

#include <cstdint>

#include "base/buffer.h"
#include "ops/cpu/activations.h"
#include "ops/cpu/pack.h"

namespace ossnb {

// A dense matrix [n_rows, K] and its bias: bf16 as stored, the same in bf12, or packed to Q8 tiles.
struct Dense {
  const bf16 *w = nullptr, *bias = nullptr;
  int n_rows = 0, k = 0;
  Bf12 bf12;                            // in exact, if it came with the weights
  const std::uint8_t* tiles = nullptr;  // null in exact
  Buffer<std::uint8_t> own_tiles;       // if they did not come with the weights
  std::uint64_t n_bytes = 0;            // that a product reads

  Dense(const CpuContext& cpu, const PackedCopies& copies, const bf16* weights, const bf16* bias, int rows,
        int width);
};

struct DenseLayer {
  Dense q, k, v, o;
  DenseLayer(const CpuContext& cpu, const PackedCopies& copies, const LayerWeights& w);
};

// Tasks of a product with n_inputs rows.
inline int n_tasks(const CpuContext& cpu, const Dense& m, int n_inputs) {
  return n_blocks(m.n_rows, cpu.task_rows(n_inputs));
}

// One task of y = m x + bias, for the first n_rows rows of x.
struct DenseTask {
  int index;   // below n_tasks()
  int n_rows;  // of x
  const Rows<float>& x;
  const Rows<std::uint8_t>& quant;  // of x, where m has tiles
  float* y;                         // [n_rows, m.n_rows]
  std::size_t y_stride;
  Scratch& scratch;
  const std::int32_t* in_order;  // 0, 1, 2, ...
};
void multiply(const CpuContext& cpu, const Dense& m, const DenseTask& task);

// Quantises the first n_rows rows of x for m's product, if that multiplies integers.
void quantize_for(const CpuContext& cpu, const Dense& m, const Rows<float>& x, int n_rows,
                  Rows<std::uint8_t>& quant);

}  // namespace ossnb
