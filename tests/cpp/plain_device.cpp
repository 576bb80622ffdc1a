#include "plain_device.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <numeric>

#include "base/error.h"
#include "data/rope.h"
#include "kernels/kernels.h"

namespace ossnb::testing {
namespace {

// x[width] as `format` keeps it: what attention computes with.
void round_to(KvFormat format, float* x, int width) {
  if (format == KvFormat::bf16) {
    for (int d = 0; d < width; ++d) x[d] = bf16_to_f32(f32_to_bf16(x[d]));
  } else if (format == KvFormat::int8) {
    const KvScale s(x, width);
    for (int d = 0; d < width; ++d) x[d] = static_cast<float>(s.code(x[d])) * s.scale;
  }
}

using Row = std::vector<float>;

constexpr int kBlockTokens = 20;  // no multiple of what the kernels like

// Blocks are rows [layer, token, 2 (key, value), Hk * Dh], found by id in a map.
class PlainStore final : public KvStore {
 public:
  explicit PlainStore(const Config& c)
      : KvStore(kBlockTokens, floats(c) * sizeof(float)), n_floats_(floats(c)), width_(2 * c.kv_size()) {}

  float* row(BlockId id, int layer, int slot) {
    return memory_.at(id).data() + (static_cast<std::size_t>(layer) * kBlockTokens + slot) * width_;
  }

 protected:
  void make_block(BlockId id) override { memory_[id].resize(n_floats_); }
  void copy_block(BlockId from, BlockId to) override { memory_[to] = memory_[from]; }
  void read_block(BlockId id, std::byte* out) const override {
    std::memcpy(out, memory_.at(id).data(), block_bytes());
  }
  void write_block(BlockId id, const std::byte* bytes) override {
    std::memcpy(memory_[id].data(), bytes, block_bytes());
  }
  void drop_block(BlockId id) noexcept override { memory_.erase(id); }

 private:
  static std::size_t floats(const Config& c) {
    return std::size_t{2} * c.num_hidden_layers * kBlockTokens * c.kv_size();
  }
  std::map<BlockId, Row> memory_;
  const std::size_t n_floats_, width_;
};

class PlainOps final : public Ops {
 public:
  PlainOps(const Config& config, const Weights& weights, const DeviceOptions& options, PlainStore& store)
      : c_(config),
        w_(weights),
        terms_(options.precision == Precision::fast ? Terms::one : Terms::three),
        kv_(options.kv),
        store_(store),
        rope_(config) {}

  std::function<bool()> poll;

  void begin(const Batch& batch) override {
    batch_ = &batch;
    rows_.resize(batch.n_rows());
    std::iota(rows_.begin(), rows_.end(), 0);
    n_bytes_ = 0;
    for (auto* of : {&x_, &q_, &norm_, &router_, &weight_}) of->resize(rows_.size());
    chosen_.resize(rows_.size());
  }

  void embed() override {
    for (const int t : rows_) {
      const bf16* row = w_.embed_tokens + static_cast<std::size_t>(batch_->tokens[t]) * c_.hidden_size;
      x_[t].assign(c_.hidden_size, 0);
      std::transform(row, row + c_.hidden_size, x_[t].begin(), bf16_to_f32);
    }
  }

  void attn_in(int layer) override {
    const LayerWeights& w = w_.layers[layer];
    const int half = rope_.half(), D = c_.hidden_size, KV = c_.kv_size();
    Row cos(half), sin(half);
    for (const int t : rows_) {
      stop_if_asked();
      const Row x = normed(x_[t], w.input_layernorm);
      q_[t] = dense(w.q_weight, w.q_bias, c_.q_size(), D, x);
      Row k = dense(w.k_weight, w.k_bias, KV, D, x);
      Row v = dense(w.v_weight, w.v_bias, KV, D, x);
      const int position = batch_->positions[t];
      rope_.angles(position, cos.data(), sin.data());
      rotate(q_[t].data(), c_.num_attention_heads, half, cos.data(), sin.data());
      rotate(k.data(), c_.num_key_value_heads, half, cos.data(), sin.data());
      for (int head = 0; head < c_.num_key_value_heads; ++head) {
        for (Row* of : {&k, &v}) round_to(kv_, of->data() + head * c_.head_dim, c_.head_dim);
      }
      float* stored = kv_row(t, layer, position);
      std::copy(v.begin(), v.end(), std::copy(k.begin(), k.end(), stored));
    }
  }

  void keep_wanted_rows() override { rows_ = batch_->wanted_rows; }

  void attend(int layer) override {
    for (const int t : rows_) {
      stop_if_asked();
      for (int head = 0; head < c_.num_key_value_heads; ++head) attend_head(layer, t, head);
    }
  }

  void attn_out(int layer) override {
    const LayerWeights& w = w_.layers[layer];
    for (const int t : rows_) add(x_[t], dense(w.o_weight, w.o_bias, c_.hidden_size, c_.q_size(), q_[t]));
  }

  void route(int layer) override {
    const LayerWeights& w = w_.layers[layer];
    const int E = c_.num_local_experts, A = c_.num_experts_per_tok;
    for (const int t : rows_) {
      norm_[t] = normed(x_[t], w.post_attention_layernorm);
      router_[t] = as_stored(w.router_weight, E, c_.hidden_size, norm_[t]);
      for (int e = 0; e < E; ++e) router_[t][e] += bf16_to_f32(w.router_bias[e]);
      chosen_[t].resize(E);
      std::iota(chosen_[t].begin(), chosen_[t].end(), 0);
      std::stable_sort(chosen_[t].begin(), chosen_[t].end(),
                       [&](int a, int b) { return router_[t][a] > router_[t][b]; });
      chosen_[t].resize(A);
      weight_[t].resize(A);
      for (int i = 0; i < A; ++i) weight_[t][i] = router_[t][chosen_[t][i]] - router_[t][chosen_[t][0]];
      k_.exp(weight_[t].data(), A, weight_[t].data());
      const float sum = std::accumulate(weight_[t].begin(), weight_[t].end(), 0.0f);
      for (float& v : weight_[t]) v /= sum;
    }
  }

  void experts(int layer) override {
    const LayerWeights& w = w_.layers[layer];
    const int D = c_.hidden_size, I = c_.intermediate_size;
    for (const int t : rows_) {
      stop_if_asked();
      Row sum;
      for (std::size_t i = 0; i < chosen_[t].size(); ++i) {
        const Row h = expert(w.gate_up, chosen_[t][i], 2 * I, D, norm_[t]);
        Row act(I);
        k_.swiglu(h.data(), I, c_.swiglu_limit, c_.swiglu_alpha, act.data());
        Row y = expert(w.down, chosen_[t][i], D, I, act);
        for (float& v : y) v *= weight_[t][i];
        if (i == 0) {
          sum = y;
        } else {
          add(sum, y);
        }
      }
      add(x_[t], sum);
    }
  }

  void lm_head(float* logits) override {
    for (const int t : rows_) {
      const Row row = as_stored(w_.lm_head, c_.vocab_size, c_.hidden_size, normed(x_[t], w_.norm));
      logits = std::copy(row.begin(), row.end(), logits);
    }
  }

  void choose(const std::vector<Chooser>& choosers, Choice* choices) override {
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      stop_if_asked();
      const Row x = normed(x_[rows_[i]], w_.norm);
      const Row logits = as_stored(w_.lm_head, c_.vocab_size, c_.hidden_size, x);
      choices[i] = choose_from(logits.data(), choosers[i]);
      for (const float v : x) choices[i].is_finite = choices[i].is_finite && std::isfinite(v);
    }
  }

  void read_hidden(float* out) const override { read(x_, out); }
  void read_router_logits(float* out) const override { read(router_, out); }
  void read_experts(std::int32_t* experts, float* weights) const override {
    for (const int t : rows_) experts = std::copy(chosen_[t].begin(), chosen_[t].end(), experts);
    read(weight_, weights);
  }
  std::uint64_t bytes_touched() const override { return n_bytes_; }

 private:
  void stop_if_asked() const {
    if (poll && poll()) throw Cancelled();
  }
  void read(const std::vector<Row>& rows, float* out) const {
    for (const int t : rows_) out = std::copy(rows[t].begin(), rows[t].end(), out);
  }
  static void add(Row& x, const Row& y) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  }
  Row normed(const Row& x, const bf16* w) const {
    Row y(x.size());
    k_.rms_norm(x.data(), w, c_.rms_norm_eps, static_cast<int>(x.size()), y.data());
    return y;
  }

  Row as_stored(const bf16* w, int n_out, int k, const Row& x) {
    Row y(n_out);
    k_.bf16_matmul(w, n_out, k, x.data(), k, 1, y.data(), n_out);
    n_bytes_ += static_cast<std::uint64_t>(n_out) * k * sizeof(bf16);
    return y;
  }

  // A matrix of the attention: in fast as Q8, packed when it is first used.
  Row dense(const bf16* w, const bf16* bias, int n_out, int k, const Row& x) {
    Row y = terms_ == Terms::one && k % kGroup == 0 ? by_q8(w, n_out, k, x) : as_stored(w, n_out, k, x);
    for (int i = 0; i < n_out; ++i) y[i] += bf16_to_f32(bias[i]);
    return y;
  }

  Row by_q8(const bf16* w, int n_out, int k, const Row& x) {
    std::vector<std::uint8_t>& tiles = q8_[w];
    for (int row = 0; tiles.size() / q8_tile_bytes(k) * kQ8Rows < static_cast<std::size_t>(n_out);
         row += kQ8Rows) {
      tiles.resize(tiles.size() + q8_tile_bytes(k));
      k_.q8_pack(w + static_cast<std::size_t>(row) * k, std::min(kQ8Rows, n_out - row), k,
                 tiles.data() + tiles.size() - q8_tile_bytes(k));
    }
    const std::vector<std::uint8_t> quant = quantized(x);
    std::vector<std::uint8_t> scratch(kernels::scratch_bytes(k));
    Row y(n_out);
    k_.q8_matmul(tiles.data(), n_out, k, {quant.data(), &kFirst, 1}, y.data(), n_out, scratch.data());
    return y;
  }

  std::vector<std::uint8_t> quantized(const Row& x) const {
    const int k = static_cast<int>(x.size());
    std::vector<std::uint8_t> quant(QuantLayout(k, terms_).bytes);
    k_.integer(terms_).quantize(x.data(), k, quant.data());
    return quant;
  }

  Row expert(const ExpertMatrix& m, int e, int n_out, int k, const Row& x) {
    const std::size_t first = static_cast<std::size_t>(e) * n_out, groups = k / kGroup;
    Row y(n_out);
    if (m.blocks) {
      const std::vector<std::uint8_t> quant = quantized(x);
      std::vector<std::uint8_t> scratch(kernels::scratch_bytes(k));
      k_.integer(terms_).mxfp4_matmul(m.blocks + first * groups * kGroupBytes, m.scales + first * groups,
                                      n_out, k, {quant.data(), &kFirst, 1}, y.data(), n_out, scratch.data());
    } else {
      k_.bf16_matmul_in_out(m.in_out + first * k, n_out, n_out, k, x.data(), k, &kFirst, 1, y.data(), n_out);
    }
    for (int i = 0; i < n_out; ++i) y[i] += bf16_to_f32(m.bias[first + i]);
    return y;
  }

  float* kv_row(int t, int layer, int position) {
    const Sequence& sequence = *batch_->sequences[batch_->sequence_of[t]];
    return store_.row(sequence.blocks()[position / kBlockTokens], layer, position % kBlockTokens);
  }

  // Brings the keys and values of one head into the kernel's tiles, as one block, and calls it.
  void attend_head(int layer, int t, int head) {
    const int Dh = c_.head_dim, G = c_.num_attention_heads / c_.num_key_value_heads, tile = kernels::kKeyTile;
    const int last = batch_->positions[t], n = (last / tile + 1) * tile;
    Row keys(static_cast<std::size_t>(n) * Dh), values(keys.size());
    for (int j = 0; j <= last; ++j) {
      const float *key = kv_row(t, layer, j) + head * Dh, *value = key + c_.kv_size();
      for (int d = 0; d < Dh; ++d) {
        keys[(static_cast<std::size_t>(j / tile) * Dh + d) * tile + j % tile] = key[d];
        values[static_cast<std::size_t>(j) * Dh + d] = value[d];
      }
    }
    // The store has rounded them already, so the kernel gets floats.
    const auto *all_keys = reinterpret_cast<const std::byte*>(keys.data()),
               *all_values = reinterpret_cast<const std::byte*>(values.data());
    Row scratch(kernels::attend_scratch_floats(1, G, {KvFormat::float32, n, Dh}, 0, last));
    float* q = q_[t].data() + head * G * Dh;
    k_.attend({.q = q,
               .stride = q_[t].size(),
               .n_queries = 1,
               .n_heads = G,
               .head_dim = Dh,
               .format = KvFormat::float32,
               .keys = &all_keys,
               .values = &all_values,
               .block_tokens = n,
               .last = last,
               .window = c_.layer_is_sliding[layer] ? c_.sliding_window : last + 1,
               .scale = 1.0f / std::sqrt(static_cast<float>(Dh)),
               .sinks = w_.layers[layer].sinks + head * G,
               .scratch = scratch.data(),
               .out = q});
  }

  static constexpr std::int32_t kFirst = 0;
  const Config& c_;
  const Weights& w_;
  const kernels::Table& k_ = kernels::reference();
  const Terms terms_;
  const KvFormat kv_;  // the store keeps floats that were rounded to it
  PlainStore& store_;
  const Rope rope_;
  std::map<const bf16*, std::vector<std::uint8_t>> q8_;

  const Batch* batch_ = nullptr;
  std::vector<std::int32_t> rows_;                   // of the batch, at work
  std::vector<Row> x_, q_, norm_, router_, weight_;  // of each row of the batch
  std::vector<std::vector<std::int32_t>> chosen_;
  std::uint64_t n_bytes_ = 0;
};

class PlainDevice final : public Device {
 public:
  PlainDevice(const Config& config, const Weights& weights, const DeviceOptions& options)
      : store_(std::make_shared<PlainStore>(config)), ops_(config, weights, options, *store_) {}

  Ops& ops() override { return ops_; }
  std::shared_ptr<KvStore> kv() override { return store_; }
  void set_poll(std::function<bool()> poll) override { ops_.poll = std::move(poll); }
  int threads() const override { return 1; }
  void set_threads(int) override {}  // it has one, whatever is asked
  std::string isa() const override { return "plain"; }

 private:
  std::shared_ptr<PlainStore> store_;
  PlainOps ops_;
};

}  // namespace

DeviceKind plain_device() {
  return {.name = "plain",
          .make = [](const Config& config, const Weights& weights, const Weights::Find&,
                     const DeviceOptions& options) -> std::unique_ptr<Device> {
            return std::make_unique<PlainDevice>(config, weights, options);
          },
          .packings = [](const Config&, Precision) { return std::vector<Packing>{}; }};
}

}  // namespace ossnb::testing
