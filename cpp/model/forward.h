// A model: weights, a device, a pool of threads; and its one forward pass.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/thread_pool.h"
#include "data/config.h"
#include "data/kv.h"
#include "data/weights.h"
#include "kernels/kernels.h"
#include "model/sampler.h"
#include "ops/ops.h"

namespace ossnb {

// New tokens of one sequence, and for how many of its last rows logits are wanted.
struct Feed {
  Sequence* sequence;
  const std::int32_t* tokens;
  int n_tokens;
  int n_logits;
};

class Model {
 public:
  // `find` is asked once for each tensor; what it points to must outlive the model.
  Model(const Config& config, const Weights::Find& find, Precision precision, int n_threads,
        const std::string& isa);

  const Config& config() const { return config_; }
  const kernels::Table& kernels() const { return kernels_; }
  ThreadPool& pool() { return pool_; }
  std::uint64_t bytes_touched() const { return bytes_touched_; }

  // Told after each layer, and before the first (layer -1), what can be read from the device.
  using Observer = std::function<void(int layer, const Ops& ops)>;

  // Appends the feeds' tokens to their sequences and writes logits [sum of n_logits, V]. `poll` is called
  // about every 10 ms; when it returns true the pass throws Cancelled. After any exception the sequences are
  // as before.
  void forward(const std::vector<Feed>& feeds, float* logits, const std::function<bool()>& poll,
               const Observer& observe = nullptr);

  // forward() of one feed with one logit row, up to bounds of its logits; and the token that the sampler
  // would choose from the logits themselves. Only if has_screen(). `n_rescored`: rows of lm_head that
  // choose() read.
  bool has_screen() const { return ops_->has_screen(); }
  void forward_screened(const Feed& feed, Screen& screen, const std::function<bool()>& poll);
  std::int32_t choose(const Screen& screen, const Sampler& sampler, std::int64_t position, int& n_rescored);

 private:
  void run(const std::vector<Feed>& feeds, const std::function<bool()>& poll, const Observer& observe,
           const std::function<void()>& head);
  Batch batch_of(const std::vector<Feed>& feeds) const;

  Config config_;
  const kernels::Table& kernels_;
  Weights weights_;
  ThreadPool pool_;
  std::unique_ptr<Ops> ops_;
  std::uint64_t bytes_touched_ = 0;
};

}  // namespace ossnb
