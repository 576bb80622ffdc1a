#include "model/forward.h"

#include <algorithm>
#include <exception>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/float_state.h"

namespace ossnb {

namespace {

const Config& checked(const Config& config) {
  config.check();
  return config;
}

DeviceOptions at(DeviceOptions options, int ordinal) {
  options.ordinal = ordinal;
  return options;
}

// Makes sequences writable. A sequence that is not committed in the end is as before.
class Appending {
 public:
  explicit Appending(const std::vector<Feed>& feeds) : feeds_(feeds) {
    try {
      for (const Feed& feed : feeds_) feed.sequence->prepare(feed.n_tokens);
    } catch (...) {
      abandon();
      throw;
    }
  }
  ~Appending() { abandon(); }
  Appending(const Appending&) = delete;
  Appending& operator=(const Appending&) = delete;

  void commit() {
    for (const Feed& feed : feeds_) feed.sequence->commit();
  }

 private:
  void abandon() noexcept {
    for (const Feed& feed : feeds_) feed.sequence->abandon();
  }
  const std::vector<Feed>& feeds_;
};

class Polling {
 public:
  Polling(Device& device, const Model::Poll& poll) : device_(device) { device_.set_poll(poll); }
  ~Polling() { device_.set_poll(nullptr); }
  Polling(const Polling&) = delete;
  Polling& operator=(const Polling&) = delete;

 private:
  Device& device_;
};

void require_feed(const Feed& feed, const KvStore& store, int n_vocab) {
  if (&feed.sequence->store() != &store) {
    throw ValueError("the sequence belongs to another model; use one that this model's sequence() made");
  }
  if (feed.n_tokens < 1) throw ValueError("a sequence was given no tokens; expected at least one");
  if (feed.n_wanted < 0 || feed.n_wanted > feed.n_tokens) {
    throw ValueError("logits of " + std::to_string(feed.n_wanted) + " rows wanted, expected 0 to " +
                     std::to_string(feed.n_tokens) + ", the tokens given");
  }
  for (int i = 0; i < feed.n_tokens; ++i) {
    if (feed.tokens[i] >= 0 && feed.tokens[i] < n_vocab) continue;
    throw ValueError("token " + std::to_string(feed.tokens[i]) + " is outside the vocabulary, 0.." +
                     std::to_string(n_vocab - 1));
  }
}

}  // namespace

Model::Model(const Config& config, const Weights::Find& find, const std::string& device,
             const DeviceOptions& options)
    : config_(checked(config)),
      weights_(config_, find),
      device_(device_kind(device).make(config_, weights_, find, at(options, device_ordinal(device)))) {}

Batch Model::batch_of(const std::vector<Feed>& feeds) const {
  Batch batch;
  std::set<const Sequence*> seen;
  const std::shared_ptr<KvStore> store = device_->kv();
  for (const Feed& feed : feeds) {
    require_feed(feed, *store, config_.vocab_size);
    if (!seen.insert(feed.sequence).second) throw ValueError("a sequence appears twice in one call");
    for (int i = 0; i < feed.n_tokens; ++i) {
      if (i >= feed.n_tokens - feed.n_wanted) batch.wanted_rows.push_back(batch.n_rows());
      batch.tokens.push_back(feed.tokens[i]);
      batch.positions.push_back(feed.sequence->length() + i);
      batch.sequence_of.push_back(static_cast<std::int32_t>(batch.sequences.size()));
    }
    batch.sequences.push_back(feed.sequence);
  }
  return batch;
}

void Model::require_fit(const Batch& batch, const std::vector<Chooser>& choosers) const {
  if (choosers.size() != batch.wanted_rows.size()) {
    throw ValueError(std::to_string(choosers.size()) + " choosers were given for " +
                     std::to_string(batch.wanted_rows.size()) + " wanted rows; expected one for each");
  }
  for (const Chooser& chooser : choosers) {
    if (chooser.sampler->n_vocab() == config_.vocab_size) continue;
    throw ValueError("the sampler was made for another vocabulary, of " +
                     std::to_string(chooser.sampler->n_vocab()) + " tokens; expected " +
                     std::to_string(config_.vocab_size));
  }
}

std::uint64_t Model::step(const std::vector<Feed>& feeds, const std::vector<Chooser>& choosers,
                          std::vector<Choice>& choices, const Poll& poll) {
  const Batch batch = batch_of(feeds);
  require_fit(batch, choosers);
  choices.assign(choosers.size(), {});
  if (batch.n_rows() == 0) return 0;
  const bool was_next = next_.is(feeds, choosers),
             has_begun = std::exchange(has_begun_next_, false) && was_next;
  next_ = {};
  const std::uint64_t n_bytes = run(feeds, poll, [&](Ops& ops) {
    if (has_begun) return ops.finish_choose(choosers, choices.data());
    run_layers(batch, nullptr);
    ops.choose(choosers, choices.data());
  });
  n_foretold_ += has_begun;
  if (!device_->ops().can_begin(choosers)) return n_bytes;
  guess(feeds, choosers, choices, was_next);
  return n_bytes;
}

// Says what comes next, and begins it. A failure is that of the step itself, which will meet it when it is
// asked for: this step has succeeded.
void Model::guess(const std::vector<Feed>& feeds, const std::vector<Chooser>& choosers,
                  const std::vector<Choice>& choices, bool begins) noexcept {
  const PlainFloats plain;
  try {
    next_ = NextStep(feeds, choosers, choices);
    if (!begins || !next_.is_known()) return;
    const Batch batch = batch_of(next_.feeds(feeds));
    run_layers(batch, nullptr);
    device_->ops().begin_choose(next_.choosers(choosers));
    has_begun_next_ = true;
  } catch (const std::exception&) {
    next_ = {};
  }
}

std::uint64_t Model::logits(const std::vector<Feed>& feeds, float* logits, const Poll& poll,
                            const Observer& observe) {
  Batch batch = batch_of(feeds);
  batch.is_watched = static_cast<bool>(observe);
  if (batch.n_rows() == 0) return 0;
  next_ = {};
  has_begun_next_ = false;
  return run(feeds, poll, [&](Ops& ops) {
    run_layers(batch, observe);
    ops.lm_head(logits);
  });
}

std::uint64_t Model::run(const std::vector<Feed>& feeds, const Poll& poll,
                         const std::function<void(Ops&)>& work) {
  const PlainFloats plain;
  Appending appending(feeds);
  const Polling polling(*device_, poll);
  work(device_->ops());
  appending.commit();
  return device_->ops().bytes_touched();
}

void Model::run_layers(const Batch& batch, const Observer& observe) {
  Ops& ops = device_->ops();
  ops.begin(batch);
  ops.embed();
  if (observe) observe(-1, ops);
  for (int layer = 0; layer < config_.num_hidden_layers; ++layer) {
    ops.attn_in(layer);
    if (layer + 1 == config_.num_hidden_layers) ops.keep_wanted_rows();
    ops.attend(layer);
    ops.attn_out(layer);
    ops.route(layer);
    ops.experts(layer);
    if (observe) observe(layer, ops);
  }
}

}  // namespace ossnb
