#include "ops/cuda/host_experts.h"

#include "ops/cpu/experts.h"

namespace ossnb::cuda {

HostExperts::HostExperts(std::shared_ptr<const Card> card, const Config& config, const Weights& weights,
                         Terms terms, int n_layers, int n_threads)
    : card_(std::move(card)),
      n_layers_(n_layers),
      pool_(n_threads),
      no_keys_(config, KvFormat::float32),
      cpu_{.c = config,
           .w = weights,
           .k = kernels::choose(""),
           .terms = terms,
           .store = no_keys_,
           .pool = pool_} {}

const Activations& HostExperts::run(DeviceArray<float>& x, int n_rows, int layer,
                                    const std::function<bool()>& poll) {
  const std::size_t n = static_cast<std::size_t>(n_rows) * cpu_.c.hidden_size;
  a_.shape(cpu_, n_rows);
  x.download({a_.x.data(), n});
  card_->wait(poll);
  pool_.set_poll(poll);
  try {
    route(cpu_, a_, layer);
    run_experts(cpu_, a_, layer);
  } catch (...) {
    pool_.set_poll(nullptr);
    throw;
  }
  pool_.set_poll(nullptr);
  x.upload({a_.x.data(), n});
  return a_;
}

}  // namespace ossnb::cuda
