// Layers whose experts a card has no room for: the CPU computes them, with the same bits. The residual stream
// goes over and comes back.
#pragma once

#include <functional>
#include <memory>

#include "base/thread_pool.h"
#include "ops/cpu/activations.h"
#include "ops/cuda/arrays.h"

namespace ossnb::cuda {

class HostExperts {
 public:
  HostExperts(std::shared_ptr<const Card> card, const Config& config, const Weights& weights, Terms terms,
              int n_layers, int n_threads);

  // Whether the experts of a layer are computed here: those of the first layers.
  bool has(int layer) const { return layer < n_layers_; }
  ThreadPool& pool() { return pool_; }
  void set_threads(int n) { cpu_.set_threads(n); }

  // What a layer's router and experts gave, in the host's memory.
  const Activations& run(DeviceArray<float>& x, int n_rows, int layer, const std::function<bool()>& poll);

 private:
  const std::shared_ptr<const Card> card_;
  const int n_layers_;
  ThreadPool pool_;
  CpuKvStore no_keys_;  // keys and values are the card's
  CpuContext cpu_;
  Activations a_;
};

}  // namespace ossnb::cuda
