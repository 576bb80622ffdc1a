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

struct LayerExperts {
  CardExperts gate_up, down;
};

struct CardLayer {
  const bf16 *input_layernorm, *sinks, *post_attention_layernorm, *router_weight, *router_bias;
  CardMatrix q, k, v, o;
  LayerExperts experts;  // empty where the host keeps them
};

// lm_head in six bits, for the screen.
struct CardScreen {
  const std::uint8_t* tiles = nullptr;  // null where it did not come with the weights
  const float* norms = nullptr;
  std::uint64_t n_bytes = 0;
};

class Packer;

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
  bool is_mxfp4() const { return is_mxfp4_; }  // the experts; else bf16
  const std::vector<CardLayer>& layers() const { return layers_; }
  const bf16* norm() const { return norm_; }
  const CardMatrix& lm_head() const { return lm_head_; }
  const CardScreen& screen() const { return screen_; }

 private:
  const bool is_mxfp4_;
  DeviceMemory memory_;
  std::vector<CardLayer> layers_;
  const bf16* norm_ = nullptr;
  CardMatrix lm_head_;
  CardScreen screen_;
};

// A place on the card for the experts of one layer that the host keeps. A pass of many rows is sooner done
// where they come over the bus.
class VisitingExperts {
 public:
  VisitingExperts(const std::shared_ptr<const Card>& card, const Config& config, const Weights& weights,
                  ThreadPool& pool);
  ~VisitingExperts();

  // Whether so many rows are worth the way.
  bool pays_for(int n_rows) const;
  // Puts the copies of a layer's experts on the stream; what came before is gone then. `poll` as CardWeights
  // has it.
  const LayerExperts& bring(int layer, const std::function<bool()>& poll);

 private:
  const Config& c_;
  const Weights& weights_;
  DeviceMemory memory_;
  std::unique_ptr<Packer> packer_;
  LayerExperts here_;
};

}  // namespace ossnb::cuda
