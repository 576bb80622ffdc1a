// A model: weights, a device, and the one forward pass.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "choice/choice.h"
#include "data/config.h"
#include "data/kv.h"
#include "data/weights.h"
#include "model/feed.h"
#include "model/next_step.h"
#include "ops/device.h"

namespace ossnb {

class Model {
 public:
  // `find` is asked once for each tensor. The tensors must outlive the model.
  Model(const Config& config, const Weights::Find& find, const std::string& device,
        const DeviceOptions& options);

  const Config& config() const { return config_; }
  Device& device() { return *device_; }

  // An empty sequence, or one that shares blocks with `length` tokens (Sequence's constructors).
  Sequence sequence(std::vector<BlockId> blocks = {}, int length = 0) {
    return Sequence(device_->kv(), std::move(blocks), length);
  }

  // Called about every 10 ms during a pass. When it returns true, the pass throws Cancelled.
  using Poll = std::function<bool()>;
  // Called after each layer, and before the first (layer -1), so that it can read the device's results.
  using Observer = std::function<void(int layer, const Ops& ops)>;

  // One pass: appends the feeds' tokens to their sequences, and chooses a token for each wanted row, or
  // writes all logits of the wanted rows [n, V]. Returns the bytes of weights, keys and values that it had to
  // read. After any exception the sequences are as before.
  std::uint64_t step(const std::vector<Feed>& feeds, const std::vector<Chooser>& choosers,
                     std::vector<Choice>& choices, const Poll& poll);
  std::uint64_t logits(const std::vector<Feed>& feeds, float* logits, const Poll& poll,
                       const Observer& observe = nullptr);

  // How many steps had begun before they were asked for. Where each sequence goes on with the token it has
  // just chosen, twice in a row, a device that computes by itself begins the third such step at once. When
  // something else is asked for, that one is lost.
  std::uint64_t n_foretold() const { return n_foretold_; }

 private:
  Batch batch_of(const std::vector<Feed>& feeds) const;
  void require_fit(const Batch& batch, const std::vector<Chooser>& choosers) const;
  std::uint64_t run(const std::vector<Feed>& feeds, const Poll& poll, const std::function<void(Ops&)>& work);
  void run_layers(const Batch& batch, const Observer& observe);
  void guess(const std::vector<Feed>& feeds, const std::vector<Chooser>& choosers,
             const std::vector<Choice>& choices, bool begins) noexcept;

  Config config_;
  Weights weights_;
  std::unique_ptr<Device> device_;

  NextStep next_;
  bool has_begun_next_ = false;
  std::uint64_t n_foretold_ = 0;
};

}  // namespace ossnb
