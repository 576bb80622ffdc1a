#include "ops/cuda/weights.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "ops/cuda/kernel.h"

namespace ossnb::cuda {

namespace {

constexpr std::size_t kArrayAlignment = 256, kPiece = std::size_t{16} << 20;
constexpr std::size_t kShare = std::size_t{1} << 20;  // of a piece, that a thread reads at a time

// An expert meets so many rows on average in a pass for which it is brought: on a bus that gives 10 GB/s it
// takes the time in which a CPU of eight cores multiplies them.
constexpr int kRowsAnExpert = 16;

}  // namespace

// Copies arrays into a piece of the card's memory, one behind the other, through two buffers that the card
// copies from while the next bytes are read from the file. Without memory it only counts.
class Packer {
 public:
  Packer() = default;
  Packer(std::shared_ptr<const Card> card, DeviceMemory& memory, ThreadPool& pool)
      : card_(std::move(card)), memory_(&memory), pool_(&pool) {
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
  // From the beginning of the memory on; `poll` is asked between the copies.
  void begin(const std::function<bool()>& poll) {
    n_bytes_ = 0;
    poll_ = poll;
  }
  std::size_t n_bytes() const { return n_bytes_; }
  bool counts_only() const { return !memory_; }
  ThreadPool& pool() const { return *pool_; }

 private:
  void copy(const std::byte* from, std::size_t at, std::size_t n) {
    if (poll_ && poll_()) throw Cancelled();
    card_->wait(*copied_[turn_], poll_);
    std::byte* to = buffers_[turn_].data();
    pool_->parallel_for(static_cast<int>((n + kShare - 1) / kShare), [&](int share, int) {
      const std::size_t first = share * kShare;
      std::memcpy(to + first, from + first, std::min(kShare, n - first));
    });
    memory_->upload(at, buffers_[turn_].data(), n);
    copied_[turn_]->record();
    turn_ = 1 - turn_;
  }

  std::shared_ptr<const Card> card_;
  DeviceMemory* memory_ = nullptr;
  ThreadPool* pool_ = nullptr;
  std::function<bool()> poll_;
  PinnedArray<std::byte> buffers_[2];
  std::unique_ptr<Event> copied_[2];
  int turn_ = 0;
  std::size_t n_bytes_ = 0;
};

namespace {

CardExperts put_experts(Packer& packer, const ExpertMatrix& m, std::size_t n_experts, int rows, int k) {
  const std::size_t n = static_cast<std::size_t>(rows) * k;
  CardExperts on_card;
  on_card.rows = rows;
  on_card.k = k;
  on_card.n_bytes = (m.blocks ? n / 2 + n / kGroup : n * sizeof(bf16)) + rows * sizeof(bf16);
  on_card.bias = packer.put(m.bias, n_experts * rows);
  if (m.blocks) {
    on_card.blocks = packer.put(m.blocks, n_experts * n / 2);
    on_card.scales = packer.put(m.scales, n_experts * n / kGroup);
  } else {
    on_card.in_out = packer.put(m.in_out, n_experts * n);
  }
  return on_card;
}

LayerExperts put_experts(Packer& packer, const Config& c, const LayerWeights& w) {
  const int D = c.hidden_size, E = c.num_local_experts, I = c.intermediate_size;
  return {.gate_up = put_experts(packer, w.gate_up, E, 2 * I, D),
          .down = put_experts(packer, w.down, E, D, I)};
}

// The bytes of the largest layer's experts.
std::size_t expert_bytes(const Config& c, const Weights& weights) {
  std::size_t most = 0;
  for (const LayerWeights& w : weights.layers) {
    Packer counter;
    put_experts(counter, c, w);
    most = std::max(most, counter.n_bytes());
  }
  return most;
}

// The way of all weights through a packer.
class Walk {
 public:
  Walk(const Config& config, const Weights& weights, const PackedCopies& copies, Precision precision)
      : c_(config), w_(weights), copies_(copies), is_fast_(precision == Precision::fast) {}

  CardLayer layer(Packer& packer, const LayerWeights& w, bool has_experts) const {
    const int D = c_.hidden_size, E = c_.num_local_experts;
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
    if (has_experts) on_card.experts = put_experts(packer, c_, w);
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
      pack_q8(kernels::choose(""), w, rows, k, own.data(), packer.pool());
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

  const Config& c_;
  const Weights& w_;
  const PackedCopies& copies_;
  const bool is_fast_;
};

}  // namespace

std::size_t CardWeights::bytes(const Config& config, const Weights& weights, const PackedCopies& copies,
                               const DeviceOptions& options) {
  const Walk walk(config, weights, copies, options.precision);
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
    : is_mxfp4_(weights.layers.front().gate_up.blocks != nullptr),
      memory_(card, bytes(config, weights, copies, options)) {
  ThreadPool pool(options.n_threads);
  const Walk walk(config, weights, copies, options.precision);
  Packer packer(card, memory_, pool);
  packer.begin(options.poll);
  for (const LayerWeights& w : weights.layers) {
    const bool has_experts = static_cast<int>(layers_.size()) >= options.host_layers;
    layers_.push_back(walk.layer(packer, w, has_experts));
  }
  norm_ = walk.norm(packer);
  lm_head_ = walk.lm_head(packer);
  screen_ = walk.screen(packer);
  card->wait(options.poll);
}

VisitingExperts::VisitingExperts(const std::shared_ptr<const Card>& card, const Config& config,
                                 const Weights& weights, ThreadPool& pool)
    : c_(config),
      weights_(weights),
      memory_(card, expert_bytes(config, weights)),
      packer_(std::make_unique<Packer>(card, memory_, pool)) {}

VisitingExperts::~VisitingExperts() = default;

bool VisitingExperts::pays_for(int n_rows) const {
  return static_cast<std::int64_t>(n_rows) * c_.num_experts_per_tok >=
         std::int64_t{kRowsAnExpert} * c_.num_local_experts;
}

const LayerExperts& VisitingExperts::bring(int layer, const std::function<bool()>& poll) {
  packer_->begin(poll);
  here_ = put_experts(*packer_, c_, weights_.layers[layer]);
  return here_;
}

}  // namespace ossnb::cuda
