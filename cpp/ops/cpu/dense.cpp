#include "ops/cpu/dense.h"

namespace ossnb {

Dense::Dense(const CpuContext& cpu, const PackedCopies& copies, const bf16* weights, const bf16* biases,
             int rows, int width)
    : w(weights), bias(biases), n_rows(rows), k(width) {
  const Packed packed = copies.of(w);
  n_bytes = static_cast<std::uint64_t>(n_rows) * k * sizeof(bf16);
  if (cpu.terms == Terms::three) {
    bf12 = packed.bf12;
    if (bf12.tiles) {
      n_bytes = n_blocks(n_rows, kBf12Rows) * bf12_tile_bytes(k) + bf12.n_rare * sizeof(Bf12::Rare);
    }
    return;
  }
  if (k % kGroup != 0) return;
  n_bytes = n_blocks(n_rows, kQ8Rows) * q8_tile_bytes(k);
  tiles = packed.q8;
  if (tiles) return;
  tiles = own_tiles.reserve(n_bytes);
  pack_q8(cpu.k, w, n_rows, k, own_tiles.data(), cpu.pool);
}

DenseLayer::DenseLayer(const CpuContext& cpu, const PackedCopies& copies, const LayerWeights& w)
    : q(cpu, copies, w.q_weight, w.q_bias, cpu.c.q_size(), cpu.c.hidden_size),
      k(cpu, copies, w.k_weight, w.k_bias, cpu.c.kv_size(), cpu.c.hidden_size),
      v(cpu, copies, w.v_weight, w.v_bias, cpu.c.kv_size(), cpu.c.hidden_size),
      o(cpu, copies, w.o_weight, w.o_bias, cpu.c.hidden_size, cpu.c.q_size()) {}

void multiply(const CpuContext& cpu, const Dense& m, const DenseTask& task) {
  const int most = cpu.task_rows(task.n_rows), row = task.index * most, n = std::min(most, m.n_rows - row);
  float* y = task.y + row;
  if (m.tiles) {
    const std::uint8_t* tiles = m.tiles + row / kQ8Rows * q8_tile_bytes(m.k);
    const QuantRows x = {task.quant.data(), task.in_order, task.n_rows};
    cpu.k.q8_matmul(tiles, n, m.k, x, y, task.y_stride, task.scratch.integer.data());
  } else if (m.bf12.tiles) {
    cpu.k.bf12_matmul(m.bf12, row, n, m.k, task.x.data(), m.k, task.n_rows, y, task.y_stride);
  } else {
    const bf16* w = m.w + static_cast<std::size_t>(row) * m.k;
    cpu.k.bf16_matmul(w, n, m.k, task.x.data(), m.k, task.n_rows, y, task.y_stride);
  }
  for (int t = 0; t < task.n_rows; ++t) add_bias(y + t * task.y_stride, m.bias + row, n);
}

void quantize_for(const CpuContext& cpu, const Dense& m, const Rows<float>& x, int n_rows,
                  Rows<std::uint8_t>& quant) {
  if (!m.tiles) return;
  cpu.pool.parallel_for(n_rows, [&](int t, int) { cpu.integer().quantize(x.row(t), m.k, quant.row(t)); });
}

}  // namespace ossnb
