// The weights on the card, in one piece of memory. The embedding stays with the host: a pass brings the rows
// of its tokens.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "data/config.h"
#include "data/weights.h"
#include "ops/cpu/pack.h"
#include "ops/cuda/args.h"
#include "ops/cuda/arrays.h"
#include "ops/device.h"

namespace ossnb::cuda {

// A dense matrix on the card.
struct CardMatrix {
  Dense format = Dense::bf16;
  DenseMatrix m{};
  int k = 0;
  std::uint64_t n_bytes = 0;  // that a product reads
};

struct CardExperts {
  const std::uint8_t *blocks = nullptr, *scales = nullptr;
  const bf16 *in_out = nullptr, *bias = nullptr;
  int rows = 0, k = 0;
  std::uint64_t n_bytes = 0;  // that a product with one expert reads
};

struct CardLayer {
  const bf16 *input_layernorm, *sinks, *post_attention_layernorm, *router_weight, *router_bias;
  CardMatrix q, k, v, o;
  CardExperts gate_up, down;
};

// lm_head in six bits, for the screen.
struct CardScreen {
  const std::uint8_t* tiles = nullptr;  // null where it did not come with the weights
  const float* norms = nullptr;
  std::uint64_t n_bytes = 0;
};

class CardWeights {
 public:
  // Copies them to the card, but for the experts of the first options.host_layers. options.poll is asked
  // between the copies; Cancelled when it returns true.
  CardWeights(const std::shared_ptr<const Card>& card, const Config& config, const Weights& weights,
              const PackedCopies& copies, const DeviceOptions& options);

  // The bytes that they take on a card.
  static std::size_t bytes(const Config& config, const Weights& weights, const PackedCopies& copies,
                           const DeviceOptions& options);

  std::size_t n_bytes() const { return memory_.n_bytes(); }
  const std::vector<CardLayer>& layers() const { return layers_; }
  const bf16* norm() const { return norm_; }
  const CardMatrix& lm_head() const { return lm_head_; }
  const CardScreen& screen() const { return screen_; }

 private:
  DeviceMemory memory_;
  std::vector<CardLayer> layers_;
  const bf16* norm_ = nullptr;
  CardMatrix lm_head_;
  CardScreen screen_;
};

}  // namespace ossnb::cuda
