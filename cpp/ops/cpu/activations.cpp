#include "ops/cpu/activations.h"

#include <numeric>

namespace ossnb {

void Activations::begin(const CpuContext& cpu, const Batch& new_batch) {
  batch = &new_batch;
  shape(cpu, batch->n_rows());
  last_position.resize(batch->sequences.size());
  for (int t = 0; t < T; ++t) last_position[batch->sequence_of[t]] = batch->positions[t];
  blocks.resize(batch->sequences.size());
  for (std::size_t s = 0; s < blocks.size(); ++s) blocks[s] = cpu.store.memory(batch->sequences[s]->blocks());
}

void Activations::shape(const CpuContext& cpu, int n) {
  const Config& c = cpu.c;
  T = n;
  n_bytes = 0;
  row.resize(T);
  std::iota(row.begin(), row.end(), 0);

  const int A = c.num_experts_per_tok, pairs = T * A;
  cos.shape(T, c.head_dim / 2);
  sin.shape(T, c.head_dim / 2);
  x.shape(T, c.hidden_size);
  norm.shape(T, c.hidden_size);
  q.shape(T, c.q_size());
  kv.shape(T, 2 * c.kv_size());
  out.shape(T, c.hidden_size);
  router.shape(T, c.num_local_experts);
  expert_weight.shape(T, A);
  chosen.shape(T, A);
  pair_of.shape(T, A);
  pair_row.resize(pairs);
  in_order.resize(pairs);
  std::iota(in_order.begin(), in_order.end(), 0);
  norm_quant.shape(T, QuantLayout(c.hidden_size, cpu.terms).bytes);
  if (cpu.terms == Terms::one) heads_quant.shape(T, QuantLayout(c.q_size(), cpu.terms).bytes);
  act.shape(pairs, c.intermediate_size);
  act_quant.shape(pairs, QuantLayout(c.intermediate_size, cpu.terms).bytes);
  expert_out.shape(pairs, c.hidden_size);
  scratch.resize(cpu.pool.size());
  const int widest = std::max({c.hidden_size, c.intermediate_size, c.q_size()});
  for (Scratch& s : scratch) s.integer.reserve(kernels::scratch_bytes(widest));
}

void Activations::keep_wanted_rows() {
  row = batch->wanted_rows;
  T = static_cast<int>(row.size());
  for (int i = 0; i < T; ++i) {  // rows rise, so none is overwritten before it was moved
    if (row[i] == i) continue;
    std::copy_n(x.row(row[i]), x.width(), x.row(i));
    std::copy_n(q.row(row[i]), q.width(), q.row(i));
  }
  x.cut(T);
}

}  // namespace ossnb
