// The forward pass's steps on the CPU: each cuts its work into tasks for the thread pool and calls the
// kernels. Every output element is computed whole by one task, so neither the number of threads nor the mix
// of rows can change a bit.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/buffer.h"
#include "base/pages.h"
#include "data/rope.h"
#include "ops/ops.h"

namespace ossnb {

namespace {

// Rows of a weight matrix that a task multiplies. Long tasks are worth it, since weights stream from memory
// and each task's stream begins slowly, and since kernels lay activations out anew for each; with many
// threads they are shorter, so that every one gets several.
constexpr int kShortRowBlock = 64, kLongRowBlock = 512;

int row_block_for(int n_threads) {
  return std::clamp(kLongRowBlock * 2 / n_threads, kShortRowBlock, kLongRowBlock) / kShortRowBlock *
         kShortRowBlock;
}

constexpr int kHeadBlock = 256;  // rows of lm_head a task multiplies
constexpr int kQueryBlock = 8;   // queries that share what is read of the keys and values

constexpr int n_blocks(int n, int block) { return (n + block - 1) / block; }

void add_bias(float* y, const bf16* bias, int n) {
  for (int i = 0; i < n; ++i) y[i] += bf16_to_f32(bias[i]);
}

// A dense matrix [n_rows, K]: bf16 as stored, the same in bf12, or packed to Q8 tiles.
struct Dense {
  const bf16* w = nullptr;
  int n_rows = 0, k = 0;
  Bf12 bf12;                            // of exact, where it came with the weights
  const std::uint8_t* tiles = nullptr;  // null in exact
  Buffer<std::uint8_t> own_tiles;       // unless they came with the weights
  std::uint64_t n_bytes = 0;            // that a product reads

  Dense(const bf16* weights, int rows, int width, const Derived& derived, const kernels::Table* packer,
        ThreadPool& pool)
      : w(weights), n_rows(rows), k(width) {
    n_bytes = static_cast<std::uint64_t>(n_rows) * k * sizeof(bf16);
    if (!packer) {
      bf12 = derived.of(w).bf12;
      if (bf12.tiles) {
        n_bytes = n_blocks(n_rows, kBf12Rows) * bf12_tile_bytes(k) + bf12.n_rare * sizeof(Bf12::Rare);
      }
    }
    if (!packer || k % kGroup != 0) return;
    n_bytes = n_blocks(n_rows, kQ8Rows) * q8_tile_bytes(k);
    tiles = derived.of(w).q8;
    if (tiles) return;
    tiles = own_tiles.reserve(n_bytes);
    pack_q8(*packer, w, n_rows, k, own_tiles.data(), pool);
  }
};

struct DenseLayer {
  Dense q, k, v, o;
  DenseLayer(const LayerWeights& w, const Config& c, const Derived& derived, const kernels::Table* packer,
             ThreadPool& pool)
      : q(w.q_weight, c.q_size(), c.hidden_size, derived, packer, pool),
        k(w.k_weight, c.kv_size(), c.hidden_size, derived, packer, pool),
        v(w.v_weight, c.kv_size(), c.hidden_size, derived, packer, pool),
        o(w.o_weight, c.hidden_size, c.q_size(), derived, packer, pool) {}
};

class CpuOps final : public Ops {
 public:
  CpuOps(const Config& config, const Weights& weights, const Derived& derived, Precision precision,
         const kernels::Table& kernels, ThreadPool& pool)
      : c_(config),
        w_(weights),
        k_(kernels),
        pool_(pool),
        rope_(config),
        terms_(precision == Precision::fast ? Terms::one : Terms::three),
        integer_(kernels.integer(terms_)),
        hidden_layout_(config.hidden_size, terms_),
        screen_layout_(config.hidden_size, Terms::one),
        inter_layout_(config.intermediate_size, terms_),
        heads_layout_(config.q_size(), terms_),
        head_packed_(derived.of(weights.lm_head)),
        row_block_(row_block_for(pool.size())) {
    for (const LayerWeights& layer : weights.layers) {
      dense_.emplace_back(layer, config, derived, precision == Precision::fast ? &kernels : nullptr, pool);
    }
  }

  void begin(const Batch& batch) override;
  void embed() override;
  void attn_in(int layer) override;
  void keep_logit_rows() override;
  void attend(int layer) override;
  void attn_out(int layer) override;
  void route(int layer) override;
  void experts(int layer) override;
  void lm_head(float* logits) override;
  bool has_screen() const override { return head_packed_.q6 && head_packed_.q6_norms; }
  void screen(Screen& out) override;
  void lm_head_rows(const float* x, const std::int32_t* rows, int n, float* logits) const override;
  std::uint64_t bytes_touched() const override { return bytes_; }

  void read_hidden(float* out) const override { copy(x_, c_.hidden_size, out); }
  void read_router_logits(float* out) const override { copy(router_, c_.num_local_experts, out); }
  void read_experts(std::int32_t* experts, float* weights) const override {
    std::copy_n(chosen_.begin(), static_cast<std::size_t>(T_) * c_.num_experts_per_tok, experts);
    copy(expert_weight_, c_.num_experts_per_tok, weights);
  }

 private:
  // The rows one expert serves. A pair is (row, one of its chosen experts); pairs are sorted by expert.
  struct Bucket {
    int expert, first_pair, n_pairs;
  };
  // Rows that attend together: n of them from `row` on, at rising positions of one sequence.
  struct Queries {
    int row, n;
  };
  struct Task {
    int bucket, row;  // first of row_block_ rows of the expert's matrix
  };

  void copy(const Buffer<float>& rows, int width, float* out) const {
    std::copy_n(rows.data(), static_cast<std::size_t>(T_) * width, out);
  }
  int first_visible(int layer, int position) const {
    return c_.layer_is_sliding[layer] ? std::max(0, position - c_.sliding_window + 1) : 0;
  }
  void matmul_bias(const Dense& m, const bf16* bias, int row, const float* x, const std::uint8_t* quant,
                   float* y, std::size_t y_stride, int worker);
  void quantize_rows(const Dense& m, const float* x, int n_rows, const QuantLayout& layout,
                     std::uint8_t* out);
  void group_queries();
  void sort_by_expert();
  std::vector<Task> tasks_of(int n_rows) const;
  void expert_rows(const ExpertMatrix& m, int n_out, int k, const Task& task, int n_rows,
                   const std::uint8_t* quant, const float* x, const std::int32_t* index, float* y,
                   std::size_t y_stride, int worker);
  void prefetch_chosen(const ExpertMatrix& m, int n_out, int k) const;
  void count_matrix(const ExpertMatrix& m, int n_out, int k);

  const Config& c_;
  const Weights& w_;
  const kernels::Table& k_;
  ThreadPool& pool_;
  Rope rope_;
  Terms terms_;
  const kernels::IntegerKernels& integer_;
  QuantLayout hidden_layout_, screen_layout_, inter_layout_, heads_layout_;  // of K = D, I, H*Dh
  std::vector<DenseLayer> dense_;
  Packed head_packed_;

  const Batch* batch_ = nullptr;
  int T_ = 0;                      // rows at work: the batch's, in the end only those with logits
  const int row_block_;            // rows of a weight matrix that a task multiplies
  std::vector<std::int32_t> row_;  // [T] their places in the batch
  std::uint64_t bytes_ = 0;
  std::vector<std::pair<Sequence*, int>> last_position_;  // of each sequence in the batch

  Buffer<float> cos_, sin_;                         // [T, Dh/2]
  Buffer<float> x_;                                 // [T, D] the residual stream
  Buffer<float> norm_;                              // [T, D]
  Buffer<float> q_;                                 // [T, H, Dh], then the heads' outputs
  Buffer<float> kv_;                                // [T, 2, Hk, Dh]
  Buffer<float> out_;                               // [T, D] of o_proj
  Buffer<float> router_;                            // [T, E]
  Buffer<float> expert_weight_;                     // [T, A]
  std::vector<std::int32_t> chosen_;                // [T, A] experts, likeliest first
  std::vector<std::int32_t> pair_of_;               // [T, A] place among the pairs
  std::vector<std::int32_t> pair_row_, pair_self_;  // [T * A] row of each pair; 0, 1, 2, ...
  std::vector<Bucket> buckets_;
  std::vector<Queries> queries_;
  Buffer<std::uint8_t> heads_q_;   // [T] rows of heads_layout_, in fast
  Buffer<std::uint8_t> norm_q_;    // [T] rows of hidden_layout_
  Buffer<std::uint8_t> screen_q_;  // a row of screen_layout_
  Buffer<float> act_;              // [T * A, I]
  Buffer<std::uint8_t> act_q_;     // [T * A] rows of inter_layout_
  Buffer<float> expert_out_;       // [T * A, D]

  struct Scratch {                 // of one worker
    Buffer<std::uint8_t> integer;  // what integer products need
    Buffer<float> hidden;          // [pairs of a bucket, row_block_]
    Buffer<float> attend;          // attend_scratch_floats()
    std::vector<const float*> keys, values;
  };
  std::vector<Scratch> scratch_;
};

void CpuOps::begin(const Batch& batch) {
  batch_ = &batch;
  T_ = batch.n_rows();
  row_.resize(T_);
  std::iota(row_.begin(), row_.end(), 0);
  bytes_ = 0;
  const std::size_t T = T_, A = c_.num_experts_per_tok;
  const int half = rope_.half();
  cos_.reserve(T * half);
  sin_.reserve(T * half);
  x_.reserve(T * c_.hidden_size);
  norm_.reserve(T * c_.hidden_size);
  q_.reserve(T * c_.q_size());
  kv_.reserve(T * 2 * c_.kv_size());
  out_.reserve(T * c_.hidden_size);
  router_.reserve(T * c_.num_local_experts);
  expert_weight_.reserve(T * A);
  chosen_.resize(T * A);
  pair_of_.resize(T * A);
  pair_row_.resize(T * A);
  pair_self_.resize(T * A);
  std::iota(pair_self_.begin(), pair_self_.end(), 0);
  norm_q_.reserve(T * hidden_layout_.bytes);
  if (terms_ == Terms::one) heads_q_.reserve(T * heads_layout_.bytes);
  act_.reserve(T * A * c_.intermediate_size);
  act_q_.reserve(T * A * inter_layout_.bytes);
  expert_out_.reserve(T * A * c_.hidden_size);
  scratch_.resize(pool_.size());
  for (Scratch& s : scratch_)
    s.integer.reserve(kernels::scratch_bytes(std::max({c_.hidden_size, c_.intermediate_size, c_.q_size()})));

  last_position_.clear();
  for (int t = 0; t < T_; ++t) {
    rope_.angles(batch.positions[t], cos_.data() + t * half, sin_.data() + t * half);
    if (last_position_.empty() || last_position_.back().first != batch.sequences[t]) {
      last_position_.emplace_back(batch.sequences[t], 0);
    }
    last_position_.back().second = batch.positions[t];
  }
}

void CpuOps::embed() {
  const int D = c_.hidden_size;
  for (int t = 0; t < T_; ++t) {
    const bf16* row = w_.embed_tokens + static_cast<std::size_t>(batch_->tokens[t]) * D;
    for (int i = 0; i < D; ++i) x_[static_cast<std::size_t>(t) * D + i] = bf16_to_f32(row[i]);
  }
  bytes_ += static_cast<std::uint64_t>(T_) * D * sizeof(bf16);
}

// Rows row .. row + row_block_ of y = m x + bias for all T rows; row is a multiple of 16.
void CpuOps::matmul_bias(const Dense& m, const bf16* bias, int row, const float* x, const std::uint8_t* quant,
                         float* y, std::size_t y_stride, int worker) {
  const int n = std::min(row_block_, m.n_rows - row);
  y += row;
  if (m.tiles) {
    const std::uint8_t* tiles = m.tiles + row / kQ8Rows * q8_tile_bytes(m.k);
    k_.q8_matmul(tiles, n, m.k, {quant, pair_self_.data(), T_}, y, y_stride, scratch_[worker].integer.data());
  } else if (m.bf12.tiles) {
    k_.bf12_matmul(m.bf12, row, n, m.k, x, m.k, T_, y, y_stride);
  } else {
    k_.bf16_matmul(m.w + static_cast<std::size_t>(row) * m.k, n, m.k, x, m.k, T_, y, y_stride);
  }
  for (int t = 0; t < T_; ++t) add_bias(y + t * y_stride, bias + row, n);
}

// Rows of x [n_rows, m.k] in the integers that m's product wants, if it wants any.
void CpuOps::quantize_rows(const Dense& m, const float* x, int n_rows, const QuantLayout& layout,
                           std::uint8_t* out) {
  if (!m.tiles) return;
  pool_.parallel_for(n_rows, [&](int t, int) {
    integer_.quantize(x + static_cast<std::size_t>(t) * m.k, m.k, out + t * layout.bytes);
  });
}

void CpuOps::attn_in(int layer) {
  const LayerWeights& w = w_.layers[layer];
  const int D = c_.hidden_size, Q = c_.q_size(), KV = c_.kv_size(), Dh = c_.head_dim, half = rope_.half();
  pool_.parallel_for(T_, [&](int t, int) {
    k_.rms_norm(x_.data() + static_cast<std::size_t>(t) * D, w.input_layernorm, c_.rms_norm_eps, D,
                norm_.data() + static_cast<std::size_t>(t) * D);
  });
  const DenseLayer& dense = dense_[layer];
  quantize_rows(dense.q, norm_.data(), T_, hidden_layout_, norm_q_.data());
  const int q_tasks = n_blocks(Q, row_block_), kv_tasks = n_blocks(KV, row_block_);
  pool_.parallel_for(q_tasks + 2 * kv_tasks, [&](int i, int worker) {
    const float* x = norm_.data();
    const std::uint8_t* quant = norm_q_.data();
    const int kv = i - q_tasks, value = kv - kv_tasks;
    if (kv < 0) {
      matmul_bias(dense.q, w.q_bias, i * row_block_, x, quant, q_.data(), Q, worker);
    } else if (value < 0) {
      matmul_bias(dense.k, w.k_bias, kv * row_block_, x, quant, kv_.data(), 2 * KV, worker);
    } else {
      matmul_bias(dense.v, w.v_bias, value * row_block_, x, quant, kv_.data() + KV, 2 * KV, worker);
    }
  });
  pool_.parallel_for(T_, [&](int t, int) {
    const float *cos = cos_.data() + t * half, *sin = sin_.data() + t * half;
    float* kv = kv_.data() + static_cast<std::size_t>(t) * 2 * KV;
    rotate(q_.data() + static_cast<std::size_t>(t) * Q, c_.num_attention_heads, half, cos, sin);
    rotate(kv, c_.num_key_value_heads, half, cos, sin);
    const int position = batch_->positions[t], slot = position % kBlockTokens;
    float* block = batch_->sequences[t]->block(position);
    const KvLayout& layout = batch_->sequences[t]->layout();
    for (int h = 0; h < c_.num_key_value_heads; ++h) {
      float* keys = block + layout.keys(layer, h) +
                    static_cast<std::size_t>(slot / kernels::kKeyTile) * Dh * kernels::kKeyTile +
                    slot % kernels::kKeyTile;
      for (int d = 0; d < Dh; ++d) keys[d * kernels::kKeyTile] = kv[h * Dh + d];
      std::copy_n(kv + KV + h * Dh, Dh,
                  block + layout.values(layer, h) + static_cast<std::size_t>(slot) * Dh);
    }
  });
  bytes_ += dense.q.n_bytes + dense.k.n_bytes + dense.v.n_bytes + (Q + 2 * KV + D) * sizeof(bf16);
}

void CpuOps::keep_logit_rows() {
  const std::size_t D = c_.hidden_size, Q = c_.q_size();
  row_ = batch_->logit_rows;
  T_ = static_cast<int>(row_.size());
  for (std::size_t i = 0; i < row_.size(); ++i) {  // rows rise, so none is overwritten before it was moved
    const std::size_t from = row_[i];
    if (from == i) continue;
    std::copy_n(x_.data() + from * D, D, x_.data() + i * D);
    std::copy_n(q_.data() + from * Q, Q, q_.data() + i * Q);
  }
}

// Cuts the rows into runs of neighbours in one sequence.
void CpuOps::group_queries() {
  queries_.clear();
  for (int t = 0; t < T_; ++t) {
    const bool follows = t > 0 && queries_.back().n < kQueryBlock &&
                         batch_->sequences[row_[t]] == batch_->sequences[row_[t - 1]] &&
                         batch_->positions[row_[t]] == batch_->positions[row_[t - 1]] + 1;
    if (follows) {
      ++queries_.back().n;
    } else {
      queries_.push_back({t, 1});
    }
  }
}

void CpuOps::attend(int layer) {
  if (T_ == 0) return;
  const LayerWeights& w = w_.layers[layer];
  const int Hk = c_.num_key_value_heads, G = c_.num_attention_heads / Hk, Dh = c_.head_dim;
  const float scale = 1.0f / std::sqrt(static_cast<float>(Dh));
  group_queries();
  const int n_runs = static_cast<int>(queries_.size());
  // Later positions see more, so they come first: the last tasks are then short ones.
  pool_.parallel_for(n_runs * Hk, [&](int i, int worker) {
    const Queries& run = queries_[n_runs - 1 - i / Hk];
    const int t = run.row, head = i % Hk, position = batch_->positions[row_[t]];
    Scratch& s = scratch_[worker];
    Sequence& sequence = *batch_->sequences[row_[t]];
    const int first = first_visible(layer, position), last = position + run.n - 1;
    const int n_blocks = last / kBlockTokens + 1;
    s.keys.resize(n_blocks);
    s.values.resize(n_blocks);
    for (int b = first / kBlockTokens; b < n_blocks; ++b) {
      const float* block = sequence.block(b * kBlockTokens);
      s.keys[b] = block + sequence.layout().keys(layer, head);
      s.values[b] = block + sequence.layout().values(layer, head);
    }
    const std::size_t stride = c_.q_size();
    float* q = q_.data() + t * stride + static_cast<std::size_t>(head) * G * Dh;
    k_.attend({.q = q,
               .stride = stride,
               .n_queries = run.n,
               .n_heads = G,
               .head_dim = Dh,
               .keys = s.keys.data(),
               .values = s.values.data(),
               .block_tokens = kBlockTokens,
               .last = position,
               .window = c_.layer_is_sliding[layer] ? c_.sliding_window : last + 1,
               .scale = scale,
               .sinks = w.sinks + head * G,
               .scratch = s.attend.reserve(kernels::attend_scratch_floats(run.n, G, Dh, first, last)),
               .out = q});
  });
  for (const auto& [sequence, last] : last_position_) {
    bytes_ +=
        static_cast<std::uint64_t>(last - first_visible(layer, last) + 1) * 2 * c_.kv_size() * sizeof(float);
  }
}

void CpuOps::attn_out(int layer) {
  if (T_ == 0) return;
  const Dense& o = dense_[layer].o;
  const int D = c_.hidden_size;
  quantize_rows(o, q_.data(), T_, heads_layout_, heads_q_.data());
  pool_.parallel_for(n_blocks(D, row_block_), [&](int i, int worker) {
    const int row = i * row_block_, n = std::min(row_block_, D - row);
    matmul_bias(o, w_.layers[layer].o_bias, row, q_.data(), heads_q_.data(), out_.data(), D, worker);
    for (int t = 0; t < T_; ++t) {
      const std::size_t at = static_cast<std::size_t>(t) * D + row;
      for (int j = 0; j < n; ++j) x_[at + j] += out_[at + j];
    }
  });
  bytes_ += o.n_bytes + D * sizeof(bf16);
}

void CpuOps::route(int layer) {
  if (T_ == 0) return;
  const LayerWeights& w = w_.layers[layer];
  const int D = c_.hidden_size, E = c_.num_local_experts, A = c_.num_experts_per_tok;
  pool_.parallel_for(T_, [&](int t, int) {
    float* norm = norm_.data() + static_cast<std::size_t>(t) * D;
    k_.rms_norm(x_.data() + static_cast<std::size_t>(t) * D, w.post_attention_layernorm, c_.rms_norm_eps, D,
                norm);
    float* logits = router_.data() + static_cast<std::size_t>(t) * E;
    k_.bf16_matmul(w.router_weight, E, D, norm, D, 1, logits, E);
    add_bias(logits, w.router_bias, E);

    std::int32_t* chosen = chosen_.data() + static_cast<std::size_t>(t) * A;
    float* weight = expert_weight_.data() + static_cast<std::size_t>(t) * A;
    for (int a = 0; a < A; ++a) {  // a tie goes to the lower index
      int best = -1;
      for (int e = 0; e < E; ++e) {
        if (std::find(chosen, chosen + a, e) == chosen + a && (best < 0 || logits[e] > logits[best]))
          best = e;
      }
      chosen[a] = best;
      weight[a] = logits[best] - logits[chosen[0]];
    }
    k_.exp(weight, A, weight);
    float sum = 0;
    for (int a = 0; a < A; ++a) sum += weight[a];
    for (int a = 0; a < A; ++a) weight[a] /= sum;
    if (w.gate_up.blocks) integer_.quantize(norm, D, norm_q_.data() + t * hidden_layout_.bytes);
  });
  sort_by_expert();
  prefetch_chosen(w.gate_up, 2 * c_.intermediate_size, D);
  prefetch_chosen(w.down, D, c_.intermediate_size);
  bytes_ += static_cast<std::uint64_t>(E) * (D + 1) * sizeof(bf16) + D * sizeof(bf16);
}

// Where memory is smaller than the model, the chosen experts are on the disk: all of them are asked for at
// once, so that the disk works on many requests while the first expert is waited for.
void CpuOps::prefetch_chosen(const ExpertMatrix& m, int n_out, int k) const {
  const std::size_t weights = static_cast<std::size_t>(n_out) * k;
  for (const Bucket& b : buckets_) {
    if (!m.blocks) {
      prefetch_if_absent(m.in_out + b.expert * weights, weights * sizeof(bf16));
    } else if (prefetch_if_absent(m.blocks + b.expert * (weights / 2), weights / 2)) {
      prefetch_if_absent(m.scales + b.expert * (weights / kGroup), weights / kGroup);
    }
  }
}

void CpuOps::sort_by_expert() {
  const int A = c_.num_experts_per_tok;
  std::vector<int> count(c_.num_local_experts), next(c_.num_local_experts);
  for (int i = 0; i < T_ * A; ++i) ++count[chosen_[i]];
  buckets_.clear();
  int first = 0;
  for (int e = 0; e < c_.num_local_experts; ++e) {
    next[e] = first;
    if (count[e]) buckets_.push_back({e, first, count[e]});
    first += count[e];
  }
  for (int i = 0; i < T_ * A; ++i) {
    const int pair = next[chosen_[i]]++;
    pair_of_[i] = pair;
    pair_row_[pair] = i / A;
  }
}

std::vector<CpuOps::Task> CpuOps::tasks_of(int n_rows) const {
  std::vector<int> order(buckets_.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return buckets_[a].n_pairs > buckets_[b].n_pairs; });
  std::vector<Task> tasks;
  for (const int b : order) {
    for (int row = 0; row < n_rows; row += row_block_) tasks.push_back({b, row});
  }
  return tasks;
}

// Rows task.row .. + n_rows of one expert's matrix times the bucket's activations, and the bias.
void CpuOps::expert_rows(const ExpertMatrix& m, int n_out, int k, const Task& task, int n_rows,
                         const std::uint8_t* quant, const float* x, const std::int32_t* index, float* y,
                         std::size_t y_stride, int worker) {
  const Bucket& b = buckets_[task.bucket];
  const std::size_t first = static_cast<std::size_t>(b.expert) * n_out + task.row;
  const std::int32_t* rows = index + b.first_pair;
  if (m.blocks) {
    const std::size_t groups = k / kGroup;
    integer_.mxfp4_matmul(m.blocks + first * groups * kGroupBytes, m.scales + first * groups, n_rows, k,
                          {quant, rows, b.n_pairs}, y, y_stride, scratch_[worker].integer.data());
  } else {
    const bf16* w = m.in_out + static_cast<std::size_t>(b.expert) * k * n_out + task.row;
    k_.bf16_matmul_in_out(w, n_out, n_rows, k, x, k, rows, b.n_pairs, y, y_stride);
  }
  for (int p = 0; p < b.n_pairs; ++p) add_bias(y + p * y_stride, m.bias + first, n_rows);
}

void CpuOps::count_matrix(const ExpertMatrix& m, int n_out, int k) {
  const std::uint64_t weights = static_cast<std::uint64_t>(n_out) * k;
  const std::uint64_t one =
      (m.blocks ? weights / 2 + weights / kGroup : weights * sizeof(bf16)) + n_out * sizeof(bf16);
  bytes_ += one * buckets_.size();
}

void CpuOps::experts(int layer) {
  if (T_ == 0) return;
  const LayerWeights& w = w_.layers[layer];
  const int D = c_.hidden_size, I = c_.intermediate_size, A = c_.num_experts_per_tok;

  const std::vector<Task> up_tasks = tasks_of(2 * I);
  pool_.parallel_for(static_cast<int>(up_tasks.size()), [&](int i, int worker) {
    const Task& task = up_tasks[i];
    const Bucket& b = buckets_[task.bucket];
    const int n = std::min(row_block_, 2 * I - task.row);
    float* h = scratch_[worker].hidden.reserve(static_cast<std::size_t>(b.n_pairs) * row_block_);
    expert_rows(w.gate_up, 2 * I, D, task, n, norm_q_.data(), norm_.data(), pair_row_.data(), h, row_block_,
                worker);
    for (int p = 0; p < b.n_pairs; ++p) {
      float* act = act_.data() + static_cast<std::size_t>(b.first_pair + p) * I + task.row / 2;
      k_.swiglu(h + p * row_block_, n / 2, c_.swiglu_limit, c_.swiglu_alpha, act);
    }
  });
  if (w.down.blocks) {
    pool_.parallel_for(T_ * A, [&](int p, int) {
      integer_.quantize(act_.data() + static_cast<std::size_t>(p) * I, I,
                        act_q_.data() + p * inter_layout_.bytes);
    });
  }
  const std::vector<Task> down_tasks = tasks_of(D);
  pool_.parallel_for(static_cast<int>(down_tasks.size()), [&](int i, int worker) {
    const Task& task = down_tasks[i];
    float* y = expert_out_.data() + static_cast<std::size_t>(buckets_[task.bucket].first_pair) * D + task.row;
    expert_rows(w.down, D, I, task, std::min(row_block_, D - task.row), act_q_.data(), act_.data(),
                pair_self_.data(), y, D, worker);
  });
  pool_.parallel_for(T_, [&](int t, int) {
    float* x = x_.data() + static_cast<std::size_t>(t) * D;
    float* sum = out_.data() + static_cast<std::size_t>(t) * D;
    for (int a = 0; a < A; ++a) {  // likeliest first
      const float weight = expert_weight_[static_cast<std::size_t>(t) * A + a];
      const float* y =
          expert_out_.data() + static_cast<std::size_t>(pair_of_[static_cast<std::size_t>(t) * A + a]) * D;
      if (a == 0) {
        for (int i = 0; i < D; ++i) sum[i] = weight * y[i];
      } else {
        for (int i = 0; i < D; ++i) sum[i] += weight * y[i];
      }
    }
    for (int i = 0; i < D; ++i) x[i] += sum[i];
  });
  count_matrix(w.gate_up, 2 * I, D);
  count_matrix(w.down, D, I);
}

void CpuOps::lm_head(float* logits) {
  const int D = c_.hidden_size, V = c_.vocab_size;
  if (T_ == 0) return;
  pool_.parallel_for(T_, [&](int t, int) {
    const std::size_t at = static_cast<std::size_t>(t) * D;
    k_.rms_norm(x_.data() + at, w_.norm, c_.rms_norm_eps, D, norm_.data() + at);
  });
  pool_.parallel_for(n_blocks(V, kHeadBlock), [&](int i, int) {
    const int row = i * kHeadBlock;
    k_.bf16_matmul(w_.lm_head + static_cast<std::size_t>(row) * D, std::min(kHeadBlock, V - row), D,
                   norm_.data(), D, T_, logits + row, V);
  });
  bytes_ += (static_cast<std::uint64_t>(V) + 1) * D * sizeof(bf16);
}

void CpuOps::screen(Screen& out) {
  const int D = c_.hidden_size, V = c_.vocab_size;
  out.x.resize(D);
  k_.rms_norm(x_.data(), w_.norm, c_.rms_norm_eps, D, out.x.data());
  std::uint8_t* quant = screen_q_.reserve(screen_layout_.bytes);
  k_.one.quantize(out.x.data(), D, quant);
  const auto* unit = reinterpret_cast<const float*>(quant + screen_layout_.scale_offset);  // halved
  double norm = 0, lost = 0;
  for (int i = 0; i < D; ++i) {
    const auto* v =
        reinterpret_cast<const std::int8_t*>(quant) + (i & 1) * screen_layout_.half_stride + i / 2;
    const double x = out.x[i], difference = x - 2.0 * unit[i / kGroup] * *v;
    norm += x * x;
    lost += difference * difference;
  }
  out.x_norm = std::sqrt(norm);
  out.x_lost = std::sqrt(lost);
  out.gamma = (D / 16 + 8) * 0x1p-24 * 1.01;
  const std::size_t tile_bytes = q6_tile_bytes(D);
  const int n_tiles = n_blocks(V, kQ8Rows);
  out.approx.resize(n_tiles * kQ8Rows);
  out.norms = head_packed_.q6_norms;
  pool_.parallel_for(n_blocks(V, kHeadBlock), [&](int i, int) {
    const int row = i * kHeadBlock;
    k_.q6_matmul(head_packed_.q6 + row / kQ8Rows * tile_bytes, std::min(kHeadBlock, V - row), D, quant,
                 out.approx.data() + row);
  });
  bytes_ += n_tiles * tile_bytes + static_cast<std::uint64_t>(V) * 2 * sizeof(float) + D * sizeof(bf16);
}

void CpuOps::lm_head_rows(const float* x, const std::int32_t* rows, int n, float* logits) const {
  const int D = c_.hidden_size;
  for (int i = 0; i < n; ++i) {
    k_.bf16_matmul(w_.lm_head + static_cast<std::size_t>(rows[i]) * D, 1, D, x, D, 1, logits + i, 1);
  }
}

}  // namespace

std::unique_ptr<Ops> make_cpu_ops(const Config& config, const Weights& weights, const Derived& derived,
                                  Precision precision, const kernels::Table& kernels, ThreadPool& pool) {
  return std::make_unique<CpuOps>(config, weights, derived, precision, kernels, pool);
}

}  // namespace ossnb
