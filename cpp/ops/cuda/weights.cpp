#include "ops/cuda/weights.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "ops/cuda/kernel.h"

namespace ossnb::cuda {

namespace {

constexpr std::size_t kArrayAlignment = 256, kPiece = std::size_t{16} << 20;

// Copies arrays into a piece of the card's memory, one behind the other, through two buffers that the card
// copies from while the next bytes are read from the file. Without memory it only counts.
class Packer {
 public:
  Packer() = default;
  Packer(std::shared_ptr<const Card> card, DeviceMemory& memory, const std::function<bool()>& poll)
      : card_(std::move(card)), memory_(&memory), poll_(poll) {
    for (auto& buffer : buffers_) buffer = PinnedArray<std::byte>(card_, std::min(kPiece, memory.n_bytes()));
    for (auto& copied : copied_) copied = std::make_unique<Event>(card_);
  }

  // The array's address on the card.
  template <class T>
  const T* put(const T* from, std::size_t n) {
    const std::size_t at = n_bytes_, size = n * sizeof(T);
    n_bytes_ += (size + kArrayAlignment - 1) / kArrayAlignment * kArrayAlignment;
    if (!memory_) return nullptr;
    const auto* bytes = reinterpret_cast<const std::byte*>(from);
    for (std::size_t done = 0; done < size; done += kPiece)
      copy(bytes + done, at + done, std::min(kPiece, size - done));
    return reinterpret_cast<const T*>(memory_->address() + at);
  }
  std::size_t n_bytes() const { return n_bytes_; }
  bool counts_only() const { return !memory_; }

 private:
  void copy(const std::byte* from, std::size_t at, std::size_t n) {
    if (poll_ && poll_()) throw Cancelled();
    card_->wait(*copied_[turn_], poll_);
    std::memcpy(buffers_[turn_].data(), from, n);
    memory_->upload(at, buffers_[turn_].data(), n);
    copied_[turn_]->record();
    turn_ = 1 - turn_;
  }

  std::shared_ptr<const Card> card_;
  DeviceMemory* memory_ = nullptr;
  std::function<bool()> poll_;
  PinnedArray<std::byte> buffers_[2];
  std::unique_ptr<Event> copied_[2];
  int turn_ = 0;
  std::size_t n_bytes_ = 0;
};

// The way of all weights through a packer.
class Walk {
 public:
  Walk(const Config& config, const Weights& weights, const PackedCopies& copies, Precision precision,
       ThreadPool* pool)
      : c_(config), w_(weights), copies_(copies), is_fast_(precision == Precision::fast), pool_(pool) {}

  CardLayer layer(Packer& packer, const LayerWeights& w, bool has_experts) const {
    const int D = c_.hidden_size, E = c_.num_local_experts, I = c_.intermediate_size;
    CardLayer on_card{};
    on_card.input_layernorm = packer.put(w.input_layernorm, D);
    on_card.sinks = packer.put(w.sinks, c_.num_attention_heads);
    on_card.post_attention_layernorm = packer.put(w.post_attention_layernorm, D);
    on_card.router_weight = packer.put(w.router_weight, static_cast<std::size_t>(E) * D);
    on_card.router_bias = packer.put(w.router_bias, E);
    on_card.q = dense(packer, w.q_weight, w.q_bias, c_.q_size(), D);
    on_card.k = dense(packer, w.k_weight, w.k_bias, c_.kv_size(), D);
    on_card.v = dense(packer, w.v_weight, w.v_bias, c_.kv_size(), D);
    on_card.o = dense(packer, w.o_weight, w.o_bias, D, c_.q_size());
    if (!has_experts) return on_card;
    on_card.gate_up = experts(packer, w.gate_up, 2 * I, D);
    on_card.down = experts(packer, w.down, D, I);
    return on_card;
  }
  const bf16* norm(Packer& packer) const { return packer.put(w_.norm, c_.hidden_size); }
  CardMatrix lm_head(Packer& packer) const {
    return stored(packer, w_.lm_head, nullptr, c_.vocab_size, c_.hidden_size);
  }
  CardScreen screen(Packer& packer) const {
    const Packed packed = copies_.of(w_.lm_head);
    if (!packed.q6 || !packed.q6_norms) return {};
    const std::size_t V = c_.vocab_size, n = (V + kQ8Rows - 1) / kQ8Rows * q6_tile_bytes(c_.hidden_size);
    return {packer.put(packed.q6, n), packer.put(packed.q6_norms, 2 * V), n + 2 * V * sizeof(float)};
  }

 private:
  CardMatrix stored(Packer& packer, const bf16* w, const bf16* bias, int rows, int k) const {
    const std::size_t n = static_cast<std::size_t>(rows) * k;
    CardMatrix on_card{.format = Dense::bf16, .k = k, .n_bytes = n * sizeof(bf16)};
    on_card.m.rows = rows;
    on_card.m.weights = packer.put(w, n);
    if (bias) on_card.m.bias = packer.put(bias, rows);
    return on_card;
  }

  // A matrix of the attention: in fast as Q8, in exact as bf12 where that came with the weights.
  CardMatrix dense(Packer& packer, const bf16* w, const bf16* bias, int rows, int k) const {
    const Packed packed = copies_.of(w);
    if (is_fast_ && k % kGroup == 0) return by_q8(packer, packed.q8, w, bias, rows, k);
    if (!is_fast_ && packed.bf12.tiles) return by_bf12(packer, packed.bf12, bias, rows, k);
    return stored(packer, w, bias, rows, k);
  }

  CardMatrix by_q8(Packer& packer, const std::uint8_t* tiles, const bf16* w, const bf16* bias, int rows,
                   int k) const {
    const std::size_t n = (rows + kQ8Rows - 1) / kQ8Rows * q8_tile_bytes(k);
    std::vector<std::uint8_t> own;
    if (!tiles && !packer.counts_only()) {
      own.resize(n);
      pack_q8(kernels::choose(""), w, rows, k, own.data(), *pool_);
      tiles = own.data();
    }
    CardMatrix on_card{.format = Dense::q8, .k = k, .n_bytes = n};
    on_card.m.rows = rows;
    on_card.m.weights = packer.put(tiles, n);
    on_card.m.bias = packer.put(bias, rows);
    return on_card;
  }

  CardMatrix by_bf12(Packer& packer, const Bf12& packed, const bf16* bias, int rows, int k) const {
    const int n_tiles = (rows + kBf12Rows - 1) / kBf12Rows;
    const std::size_t n = n_tiles * bf12_tile_bytes(k);
    std::vector<std::int32_t> first(n_tiles + 1);
    for (int tile = 0; tile <= n_tiles; ++tile) {
      first[tile] = static_cast<std::int32_t>(packed.rare_from(tile * kBf12Rows, k) - packed.rare);
    }
    CardMatrix on_card{.format = Dense::bf12, .k = k, .n_bytes = n + packed.n_rare * sizeof(Bf12::Rare)};
    on_card.m.rows = rows;
    on_card.m.weights = packer.put(packed.tiles, n);
    on_card.m.bias = packer.put(bias, rows);
    on_card.m.high = packer.put(packed.high, 16);
    on_card.m.rare = packer.put(packed.rare, packed.n_rare);
    on_card.m.first_rare = packer.put(first.data(), first.size());
    return on_card;
  }

  CardExperts experts(Packer& packer, const ExpertMatrix& m, int rows, int k) const {
    const std::size_t n = static_cast<std::size_t>(rows) * k, E = c_.num_local_experts;
    CardExperts on_card;
    on_card.rows = rows;
    on_card.k = k;
    on_card.n_bytes = (m.blocks ? n / 2 + n / kGroup : n * sizeof(bf16)) + rows * sizeof(bf16);
    on_card.bias = packer.put(m.bias, E * rows);
    if (m.blocks) {
      on_card.blocks = packer.put(m.blocks, E * n / 2);
      on_card.scales = packer.put(m.scales, E * n / kGroup);
    } else {
      on_card.in_out = packer.put(m.in_out, E * n);
    }
    return on_card;
  }

  const Config& c_;
  const Weights& w_;
  const PackedCopies& copies_;
  const bool is_fast_;
  ThreadPool* pool_;
};

}  // namespace

std::size_t CardWeights::bytes(const Config& config, const Weights& weights, const PackedCopies& copies,
                               const DeviceOptions& options) {
  const Walk walk(config, weights, copies, options.precision, nullptr);
  Packer counter;
  int layer = 0;
  for (const LayerWeights& w : weights.layers) walk.layer(counter, w, layer++ >= options.host_layers);
  walk.norm(counter);
  walk.lm_head(counter);
  walk.screen(counter);
  return counter.n_bytes();
}

CardWeights::CardWeights(const std::shared_ptr<const Card>& card, const Config& config,
                         const Weights& weights, const PackedCopies& copies, const DeviceOptions& options)
    : memory_(card, bytes(config, weights, copies, options)) {
  ThreadPool pool(options.n_threads);
  const Walk walk(config, weights, copies, options.precision, &pool);
  Packer packer(card, memory_, options.poll);
  for (const LayerWeights& w : weights.layers) {
    const bool has_experts = static_cast<int>(layers_.size()) >= options.host_layers;
    layers_.push_back(walk.layer(packer, w, has_experts));
  }
  norm_ = walk.norm(packer);
  lm_head_ = walk.lm_head(packer);
  screen_ = walk.screen(packer);
  card->wait(options.poll);
}

}  // namespace ossnb::cuda
