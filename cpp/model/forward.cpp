#include "model/forward.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "base/error.h"

namespace ossnb {

namespace {

const Config& checked(const Config& config) {
  config.check();
  return config;
}

}  // namespace

Model::Model(const Config& config, const Weights::Find& find, Precision precision, int n_threads,
             const std::string& isa)
    : config_(checked(config)),
      kernels_(kernels::choose(isa.c_str())),
      weights_(config_, find),
      pool_(n_threads),
      ops_(make_cpu_ops(config_, weights_, Derived(config_, find), precision, kernels_, pool_)) {}

Batch Model::batch_of(const std::vector<Feed>& feeds) const {
  Batch batch;
  std::set<const Sequence*> seen;
  for (const Feed& feed : feeds) {
    if (!seen.insert(feed.sequence).second) throw ValueError("a sequence appears twice in one forward call");
    if (feed.n_tokens < 1) throw ValueError("a sequence was given no tokens; expected at least one");
    if (feed.n_logits < 0 || feed.n_logits > feed.n_tokens) {
      throw ValueError("logits of " + std::to_string(feed.n_logits) + " rows wanted, expected 0 to " +
                       std::to_string(feed.n_tokens) + ", the tokens given");
    }
    for (int i = 0; i < feed.n_tokens; ++i) {
      if (feed.tokens[i] < 0 || feed.tokens[i] >= config_.vocab_size) {
        throw ValueError("token " + std::to_string(feed.tokens[i]) + " is outside the vocabulary, 0.." +
                         std::to_string(config_.vocab_size - 1));
      }
      if (i >= feed.n_tokens - feed.n_logits) batch.logit_rows.push_back(batch.n_rows());
      batch.tokens.push_back(feed.tokens[i]);
      batch.positions.push_back(feed.sequence->length() + i);
      batch.sequences.push_back(feed.sequence);
    }
  }
  return batch;
}

void Model::forward(const std::vector<Feed>& feeds, float* logits, const std::function<bool()>& poll,
                    const Observer& observe) {
  run(feeds, poll, observe, [&] { ops_->lm_head(logits); });
}

void Model::forward_screened(const Feed& feed, Screen& screen, const std::function<bool()>& poll) {
  run({feed}, poll, nullptr, [&] { ops_->screen(screen); });
}

std::int32_t Model::choose(const Screen& screen, const Sampler& sampler, std::int64_t position,
                           int& n_rescored) {
  n_rescored = 0;
  const auto rescore = [&](const std::int32_t* rows, int n, float* logits) {
    constexpr int kRows = 32;  // a task's
    n_rescored += n;
    const auto some = [&](int i, int) {
      const int first = i * kRows;
      ops_->lm_head_rows(screen.x.data(), rows + first, std::min(kRows, n - first), logits + first);
    };
    if (n <= kRows) {
      some(0, 0);  // not worth waking a thread
    } else {
      pool_.parallel_for((n + kRows - 1) / kRows, some);
    }
  };
  if (const auto token = sampler.choose(screen, position, rescore)) return *token;
  std::vector<std::int32_t> all(config_.vocab_size);
  std::iota(all.begin(), all.end(), 0);
  std::vector<float> logits(all.size());
  rescore(all.data(), config_.vocab_size, logits.data());
  return sampler.sample(logits.data(), position, 0).token;
}

void Model::run(const std::vector<Feed>& feeds, const std::function<bool()>& poll, const Observer& observe,
                const std::function<void()>& head) {
  const Batch batch = batch_of(feeds);
  if (batch.n_rows() == 0) return;
  for (const Feed& feed : feeds) feed.sequence->prepare(feed.n_tokens);

  struct Polling {
    ThreadPool& pool;
    Polling(ThreadPool& p, const std::function<bool()>& poll) : pool(p) { pool.set_poll(poll); }
    ~Polling() { pool.set_poll(nullptr); }
  } polling(pool_, poll);

  ops_->begin(batch);
  ops_->embed();
  if (observe) observe(-1, *ops_);
  for (int layer = 0; layer < config_.num_hidden_layers; ++layer) {
    ops_->attn_in(layer);
    if (layer + 1 == config_.num_hidden_layers) ops_->keep_logit_rows();
    ops_->attend(layer);
    ops_->attn_out(layer);
    ops_->route(layer);
    ops_->experts(layer);
    if (observe) observe(layer, *ops_);
  }
  head();

  bytes_touched_ = ops_->bytes_touched();
  for (const Feed& feed : feeds) feed.sequence->commit(feed.n_tokens);
}

}  // namespace ossnb
