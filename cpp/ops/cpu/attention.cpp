#include "ops/cpu/attention.h"

#include <cmath>

#include "data/rope.h"

namespace ossnb {

namespace {

// The most queries that share each read of the keys and values. They are fewer where each has many keys,
// because a cancel waits for the task under way.
constexpr int kQueryBlock = 8, kMostScores = 1 << 18;

// Rows that attend together: n of them from `row` on, at rising positions of one sequence.
struct Queries {
  int row, n;
};

// Cuts the rows into runs of neighbours in one sequence.
std::vector<Queries> group_queries(const Activations& a) {
  const Batch& batch = *a.batch;
  std::vector<Queries> runs;
  for (int t = 0; t < a.T; ++t) {
    const int row = a.row[t], before = t > 0 ? a.row[t - 1] : 0;
    const int most = std::clamp(kMostScores / (batch.positions[row] + 1), 1, kQueryBlock);
    const bool follows = t > 0 && runs.back().n < most &&
                         batch.sequence_of[row] == batch.sequence_of[before] &&
                         batch.positions[row] == batch.positions[before] + 1;
    if (follows) {
      ++runs.back().n;
    } else {
      runs.push_back({t, 1});
    }
  }
  return runs;
}

// Rotates row t's queries and keys, and stores its keys and values.
void rotate_and_store(const CpuContext& cpu, Activations& a, int layer, int t) {
  const Config& c = cpu.c;
  const int Dh = c.head_dim, half = Dh / 2, Hk = c.num_key_value_heads;
  const float *cos = a.cos.row(t), *sin = a.sin.row(t);
  float *keys_in = a.kv.row(t), *values_in = keys_in + c.kv_size();
  rotate(a.q.row(t), c.num_attention_heads, half, cos, sin);
  rotate(keys_in, Hk, half, cos, sin);

  const int position = a.batch->positions[t], slot = position % kBlockTokens;
  std::byte* block = a.blocks[a.batch->sequence_of[t]][position / kBlockTokens];
  const KvLayout& layout = cpu.store.layout();
  for (int h = 0; h < Hk; ++h) {
    put_key(layout.part, block + layout.keys(layer, h), slot, keys_in + h * Dh);
    put_value(layout.part, block + layout.values(layer, h), slot, values_in + h * Dh);
  }
}

void attend_together(const CpuContext& cpu, Activations& a, int layer, const Queries& run, int head,
                     Scratch& s) {
  const Config& c = cpu.c;
  const int G = c.num_attention_heads / c.num_key_value_heads, Dh = c.head_dim, row = a.row[run.row];
  const int position = a.batch->positions[row], last = position + run.n - 1;
  const int first = cpu.first_visible(layer, position), end = last / kBlockTokens + 1;
  const std::vector<std::byte*>& blocks = a.blocks[a.batch->sequence_of[row]];
  const KvLayout& layout = cpu.store.layout();
  s.keys.resize(end);
  s.values.resize(end);
  for (int b = first / kBlockTokens; b < end; ++b) {
    s.keys[b] = blocks[b] + layout.keys(layer, head);
    s.values[b] = blocks[b] + layout.values(layer, head);
  }
  float* q = a.q.row(run.row) + static_cast<std::size_t>(head) * G * Dh;
  cpu.k.attend(
      {.q = q,
       .stride = a.q.width(),
       .n_queries = run.n,
       .n_heads = G,
       .head_dim = Dh,
       .format = layout.part.format,
       .keys = s.keys.data(),
       .values = s.values.data(),
       .block_tokens = kBlockTokens,
       .last = position,
       .window = c.layer_is_sliding[layer] ? c.sliding_window : last + 1,
       .scale = 1.0f / std::sqrt(static_cast<float>(Dh)),
       .sinks = cpu.w.layers[layer].sinks + head * G,
       .scratch = s.attend.reserve(kernels::attend_scratch_floats(run.n, G, layout.part, first, last)),
       .out = q});
}

}  // namespace

void attn_in(const CpuContext& cpu, Activations& a, const DenseLayer& dense, int layer) {
  const Config& c = cpu.c;
  const int KV = c.kv_size();
  cpu.pool.parallel_for(a.T, [&](int t, int) {
    cpu.k.rms_norm(a.x.row(t), cpu.w.layers[layer].input_layernorm, c.rms_norm_eps, c.hidden_size,
                   a.norm.row(t));
  });
  quantize_for(cpu, dense.q, a.norm, a.T, a.norm_quant);
  const int q_tasks = n_tasks(cpu, dense.q, a.T), kv_tasks = n_tasks(cpu, dense.k, a.T);
  cpu.pool.parallel_for(q_tasks + 2 * kv_tasks, [&](int i, int worker) {
    const auto task = [&](int index, float* y, std::size_t y_stride) {
      return DenseTask{.index = index,
                       .n_rows = a.T,
                       .x = a.norm,
                       .quant = a.norm_quant,
                       .y = y,
                       .y_stride = y_stride,
                       .scratch = a.scratch[worker],
                       .in_order = a.in_order.data()};
    };
    const int key = i - q_tasks, value = key - kv_tasks;
    if (key < 0) {
      multiply(cpu, dense.q, task(i, a.q.data(), a.q.width()));
    } else if (value < 0) {
      multiply(cpu, dense.k, task(key, a.kv.data(), a.kv.width()));
    } else {
      multiply(cpu, dense.v, task(value, a.kv.data() + KV, a.kv.width()));
    }
  });
  cpu.pool.parallel_for(a.T, [&](int t, int) { rotate_and_store(cpu, a, layer, t); });
  a.n_bytes += dense.q.n_bytes + dense.k.n_bytes + dense.v.n_bytes;
  a.n_bytes += (c.q_size() + 2 * KV + c.hidden_size) * sizeof(bf16);  // biases, the norm's weights
}

void attend(const CpuContext& cpu, Activations& a, int layer) {
  if (a.T == 0) return;
  const int Hk = cpu.c.num_key_value_heads;
  const std::vector<Queries> runs = group_queries(a);
  const int n_runs = static_cast<int>(runs.size());
  // Later positions see more, so they come first: the last tasks are then short ones.
  cpu.pool.parallel_for(n_runs * Hk, [&](int i, int worker) {
    attend_together(cpu, a, layer, runs[n_runs - 1 - i / Hk], i % Hk, a.scratch[worker]);
  });
  for (const int last : a.last_position) {
    const std::uint64_t n_keys = last - cpu.first_visible(layer, last) + 1;
    a.n_bytes += n_keys * cpu.store.layout().token_bytes();
  }
}

void attn_out(const CpuContext& cpu, Activations& a, const DenseLayer& dense) {
  if (a.T == 0) return;
  const Dense& o = dense.o;
  const int D = cpu.c.hidden_size;
  quantize_for(cpu, o, a.q, a.T, a.heads_quant);
  cpu.pool.parallel_for(n_tasks(cpu, o, a.T), [&](int i, int worker) {
    multiply(cpu, o,
             {.index = i,
              .n_rows = a.T,
              .x = a.q,
              .quant = a.heads_quant,
              .y = a.out.data(),
              .y_stride = a.out.width(),
              .scratch = a.scratch[worker],
              .in_order = a.in_order.data()});
    const int n = cpu.task_rows(a.T), first = i * n, end = std::min(D, first + n);
    for (int t = 0; t < a.T; ++t) {
      float* x = a.x.row(t);
      const float* out = a.out.row(t);
      for (int j = first; j < end; ++j) x[j] += out[j];
    }
  });
  a.n_bytes += o.n_bytes + D * sizeof(bf16);
}

}  // namespace ossnb
