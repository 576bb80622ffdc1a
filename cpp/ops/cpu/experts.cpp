#include "ops/cpu/experts.h"

#include <numeric>

#include "base/pages.h"

namespace ossnb {

namespace {

// One projection of all experts, as products see it.
struct Projection {
  const ExpertMatrix& m;
  int n_out, k;

  std::size_t weights() const { return static_cast<std::size_t>(n_out) * k; }  // of one expert
  std::uint64_t n_bytes() const {                                              // of one expert
    const std::uint64_t stored = m.blocks ? weights() / 2 + weights() / kGroup : weights() * sizeof(bf16);
    return stored + n_out * sizeof(bf16);
  }
};

Projection gate_up(const CpuContext& cpu, int layer) {
  return {cpu.w.layers[layer].gate_up, 2 * cpu.c.intermediate_size, cpu.c.hidden_size};
}

Projection down(const CpuContext& cpu, int layer) {
  return {cpu.w.layers[layer].down, cpu.c.hidden_size, cpu.c.intermediate_size};
}

// The experts of one row, and their weights: a softmax over the chosen ones.
void choose_experts(const CpuContext& cpu, Activations& a, int t) {
  const int E = cpu.c.num_local_experts, A = cpu.c.num_experts_per_tok;
  const float* logits = a.router.row(t);
  std::int32_t* chosen = a.chosen.row(t);
  float* weight = a.expert_weight.row(t);
  for (int i = 0; i < A; ++i) {  // a tie goes to the lower index
    int best = -1;
    for (int e = 0; e < E; ++e) {
      const bool is_left = std::find(chosen, chosen + i, e) == chosen + i;
      if (is_left && (best < 0 || logits[e] > logits[best])) best = e;
    }
    chosen[i] = best;
    weight[i] = logits[best] - logits[chosen[0]];
  }
  cpu.k.exp(weight, A, weight);
  float sum = 0;
  for (int i = 0; i < A; ++i) sum += weight[i];
  for (int i = 0; i < A; ++i) weight[i] /= sum;
}

void sort_by_expert(const CpuContext& cpu, Activations& a) {
  const int A = cpu.c.num_experts_per_tok;
  const std::int32_t* chosen = a.chosen.data();
  std::vector<int> count(cpu.c.num_local_experts), next(cpu.c.num_local_experts);
  for (int i = 0; i < a.T * A; ++i) ++count[chosen[i]];
  a.buckets.clear();
  int first = 0;
  for (int e = 0; e < cpu.c.num_local_experts; ++e) {
    next[e] = first;
    if (count[e]) a.buckets.push_back({e, first, count[e]});
    first += count[e];
  }
  for (int i = 0; i < a.T * A; ++i) {
    const int pair = next[chosen[i]]++;
    a.pair_of.data()[i] = pair;
    a.pair_row[pair] = i / A;
  }
}

// Where memory is smaller than the model, chosen experts are on the disk. The system is asked for all of them
// at once, so that the disk works on many requests while we wait for the first expert.
void prefetch_chosen(const Activations& a, const Projection& p) {
  const std::size_t weights = p.weights();
  for (const Bucket& b : a.buckets) {
    if (!p.m.blocks) {
      prefetch_if_absent(p.m.in_out + b.expert * weights, weights * sizeof(bf16));
    } else if (prefetch_if_absent(p.m.blocks + b.expert * (weights / 2), weights / 2)) {
      prefetch_if_absent(p.m.scales + b.expert * (weights / kGroup), weights / kGroup);
    }
  }
}

struct Task {
  const Bucket* bucket;
  int row, n_rows;  // of the expert's matrix
};

// The largest buckets first, so that the last tasks are short ones.
std::vector<Task> tasks_of(const CpuContext& cpu, const Activations& a, const Projection& p) {
  std::vector<const Bucket*> order;
  order.reserve(a.buckets.size());
  for (const Bucket& b : a.buckets) order.push_back(&b);
  std::stable_sort(order.begin(), order.end(),
                   [](const Bucket* x, const Bucket* y) { return x->n_pairs > y->n_pairs; });
  std::vector<Task> tasks;
  for (const Bucket* b : order) {
    const int n = cpu.task_rows(b->n_pairs);
    for (int row = 0; row < p.n_out; row += n) tasks.push_back({b, row, std::min(n, p.n_out - row)});
  }
  return tasks;
}

// The inputs of a product: rows of x, or its rows as integers, picked by index[pair].
struct Inputs {
  const Rows<float>& x;
  const Rows<std::uint8_t>& quant;
  const std::int32_t* index;
};

// y [pairs of the bucket, n_rows]: a task's rows of one expert's matrix times its inputs, and the bias.
void multiply(const CpuContext& cpu, const Projection& p, const Task& task, const Inputs& in, float* y,
              std::size_t y_stride, Scratch& scratch) {
  const Bucket& b = *task.bucket;
  const std::size_t first = static_cast<std::size_t>(b.expert) * p.n_out + task.row;
  const std::int32_t* rows = in.index + b.first_pair;
  if (p.m.blocks) {
    const std::size_t groups = p.k / kGroup;
    cpu.integer().mxfp4_matmul(p.m.blocks + first * groups * kGroupBytes, p.m.scales + first * groups,
                               task.n_rows, p.k, {in.quant.data(), rows, b.n_pairs}, y, y_stride,
                               scratch.integer.data());
  } else {
    const bf16* w = p.m.in_out + b.expert * p.weights() + task.row;
    cpu.k.bf16_matmul_in_out(w, p.n_out, task.n_rows, p.k, in.x.data(), p.k, rows, b.n_pairs, y, y_stride);
  }
  for (int i = 0; i < b.n_pairs; ++i) add_bias(y + i * y_stride, p.m.bias + first, task.n_rows);
}

// x += the weighted sum of row t's experts, likeliest first.
void add_experts(const CpuContext& cpu, Activations& a, int t) {
  const int D = cpu.c.hidden_size;
  float *x = a.x.row(t), *sum = a.out.row(t);
  for (int i = 0; i < cpu.c.num_experts_per_tok; ++i) {
    const float weight = a.expert_weight.row(t)[i];
    const float* y = a.expert_out.row(a.pair_of.row(t)[i]);
    if (i == 0) {
      for (int j = 0; j < D; ++j) sum[j] = weight * y[j];
    } else {
      for (int j = 0; j < D; ++j) sum[j] += weight * y[j];
    }
  }
  for (int j = 0; j < D; ++j) x[j] += sum[j];
}

}  // namespace

void route(const CpuContext& cpu, Activations& a, int layer) {
  if (a.T == 0) return;
  const LayerWeights& w = cpu.w.layers[layer];
  const int D = cpu.c.hidden_size, E = cpu.c.num_local_experts;
  cpu.pool.parallel_for(a.T, [&](int t, int) {
    float *norm = a.norm.row(t), *logits = a.router.row(t);
    cpu.k.rms_norm(a.x.row(t), w.post_attention_layernorm, cpu.c.rms_norm_eps, D, norm);
    cpu.k.bf16_matmul(w.router_weight, E, D, norm, D, 1, logits, E);
    add_bias(logits, w.router_bias, E);
    choose_experts(cpu, a, t);
    if (w.gate_up.blocks) cpu.integer().quantize(norm, D, a.norm_quant.row(t));
  });
  sort_by_expert(cpu, a);
  prefetch_chosen(a, gate_up(cpu, layer));
  prefetch_chosen(a, down(cpu, layer));
  a.n_bytes += static_cast<std::uint64_t>(E) * (D + 1) * sizeof(bf16) + D * sizeof(bf16);
}

void run_experts(const CpuContext& cpu, Activations& a, int layer) {
  if (a.T == 0) return;
  const Config& c = cpu.c;
  const Projection up = gate_up(cpu, layer), out = down(cpu, layer);

  const std::vector<Task> up_tasks = tasks_of(cpu, a, up);
  cpu.pool.parallel_for(static_cast<int>(up_tasks.size()), [&](int i, int worker) {
    const Task& task = up_tasks[i];
    const Bucket& b = *task.bucket;
    Scratch& s = a.scratch[worker];
    float* h = s.hidden.reserve(static_cast<std::size_t>(b.n_pairs) * task.n_rows);
    multiply(cpu, up, task, {a.norm, a.norm_quant, a.pair_row.data()}, h, task.n_rows, s);
    for (int p = 0; p < b.n_pairs; ++p) {
      float* act = a.act.row(b.first_pair + p) + task.row / 2;
      cpu.k.swiglu(h + p * task.n_rows, task.n_rows / 2, c.swiglu_limit, c.swiglu_alpha, act);
    }
  });
  if (out.m.blocks) {
    cpu.pool.parallel_for(a.T * c.num_experts_per_tok, [&](int p, int) {
      cpu.integer().quantize(a.act.row(p), c.intermediate_size, a.act_quant.row(p));
    });
  }
  const std::vector<Task> down_tasks = tasks_of(cpu, a, out);
  cpu.pool.parallel_for(static_cast<int>(down_tasks.size()), [&](int i, int worker) {
    const Task& task = down_tasks[i];
    float* y = a.expert_out.row(task.bucket->first_pair) + task.row;
    multiply(cpu, out, task, {a.act, a.act_quant, a.in_order.data()}, y, a.expert_out.width(),
             a.scratch[worker]);
  });
  cpu.pool.parallel_for(a.T, [&](int t, int) { add_experts(cpu, a, t); });
  a.n_bytes += (up.n_bytes() + out.n_bytes()) * a.buckets.size();
}

}  // namespace ossnb
