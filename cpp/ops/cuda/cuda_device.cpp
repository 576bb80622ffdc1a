#include "ops/cuda/cuda_device.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/float_state.h"
#include "ops/cuda/head.h"
#include "ops/cuda/stopwatch.h"

namespace ossnb {

namespace {

using namespace cuda;

// What the kernels rely on, beyond what every device does.
const Config& supported(const Config& c) {
  const int G = c.num_attention_heads / c.num_key_value_heads;
  const auto require = [](bool holds, const std::string& what, int got, const char* expected) {
    if (holds) return;
    throw ValueError(what + " is " + std::to_string(got) + "; the CUDA device expects " + expected +
                     "; use device=\"cpu\" for this model");
  };
  require(c.head_dim == 16 || c.head_dim == 32 || c.head_dim == 64, "head_dim", c.head_dim, "16, 32 or 64");
  require(G <= 64, "the number of query heads that share a key", G, "at most 64");
  require(c.num_local_experts <= 4096, "num_local_experts", c.num_local_experts, "at most 4096");
  require(c.num_experts_per_tok <= 32, "num_experts_per_tok", c.num_experts_per_tok, "at most 32");
  return c;
}

// Passes that write one token for each of a few sequences are alike: what the layers launch is kept as a
// graph and repeated. The calls of such a pass are noted, and run at its end.
class Graphs {
 public:
  // Whether the launches of this pass may be repeated, by a later one.
  void begin(const Pass& pass, bool may_repeat) {
    is_noting_ = may_repeat && pass.is_alike();
    key_ = {pass.all().n, pass.all().attending.n_keys};
    calls_.clear();
  }
  bool is_noting() const { return is_noting_; }
  void note(std::function<void()> call) { calls_.push_back(std::move(call)); }

  // Ends the layers of a pass: the first such pass runs them and so makes room, the second is recorded.
  void run(const std::shared_ptr<const Card>& card, Layers& layers) {
    if (!is_noting_) return;
    is_noting_ = false;
    const auto launch = [&] {
      for (const auto& call : calls_) call();
    };
    const auto known = graphs_.find(key_);
    if (known == graphs_.end()) {
      constexpr std::size_t kMost = 32;
      if (graphs_.size() >= kMost) graphs_.clear();
      launch();
      graphs_[key_] = {.places = layers.places(), .graph = {}, .n_bytes = layers.n_bytes()};
      return;
    }
    Known& entry = known->second;
    calls_.front()();  // gives the layers their rows, and room where there is too little
    const auto rest = [&] {
      for (std::size_t i = 1; i < calls_.size(); ++i) calls_[i]();
    };
    if (entry.places != layers.places()) {
      rest();
      graphs_.clear();
      return;
    }
    if (!entry.graph && !record(card, entry, rest)) return rest();
    entry.graph.replay();
    layers.set_n_bytes(entry.n_bytes);
  }

 private:
  using Key = std::pair<int, int>;  // rows, room for keys
  struct Known {
    std::vector<const void*> places;
    Graph graph;
    std::uint64_t n_bytes = 0;
  };

  // False where the driver could not record, as when another thread of the program waits for the whole card
  // meanwhile. Nothing has run then, and the next such pass tries again.
  static bool record(const std::shared_ptr<const Card>& card, Known& entry,
                     const std::function<void()>& launches) {
    try {
      entry.graph = Graph::capture(card, launches);
    } catch (const DeviceLost&) {
      throw;
    } catch (const DeviceFailure&) {
      return false;
    }
    return true;
  }

  Key key_;
  bool is_noting_ = false;
  std::vector<std::function<void()>> calls_;
  std::map<Key, Known> graphs_;
};

class CudaOps final : public Ops {
 public:
  CudaOps(const CudaContext& context, const bf16* embed_tokens)
      : cuda_(context),
        pass_(context.card, context.c, embed_tokens, context.store),
        layers_(context),
        head_(context) {}

  void set_poll(std::function<bool()> poll) {
    poll_ = std::move(poll);
    layers_.poll = poll_;
  }

  ~CudaOps() override {
    try {
      end();
    } catch (const std::exception&) {
      is_busy_ = false;  // a card that is gone has nothing to wait for
    }
  }

  void begin(const Batch& batch) override {
    end();
    is_busy_ = true;
    n_head_bytes_ = 0;
    pass_.begin(batch);
    graphs_.begin(pass_, !batch.is_watched && !cuda_.host && !are_timed());
  }
  void embed() override {
    run([this] { layers_.begin(pass_); });
  }
  // A long prompt's layers are not queued up, so that a cancel waits for one of them and no more.
  void attn_in(int layer) override {
    constexpr int kLong = 32;
    if (pass_.all().n > kLong) ended([&] { cuda_.card->wait(poll_); });
    run([this, layer] { layers_.attn_in(layer); });
  }
  void keep_wanted_rows() override {
    run([this] { layers_.keep_wanted_rows(); });
  }
  void attend(int layer) override {
    run([this, layer] { layers_.attend(layer); });
  }
  void attn_out(int layer) override {
    run([this, layer] { layers_.attn_out(layer); });
  }
  void route(int layer) override {
    run([this, layer] { layers_.route(layer); });
  }
  void experts(int layer) override {
    run([this, layer] { ended([&] { layers_.experts(layer); }); });
  }

  void lm_head(float* logits) override {
    graphs_.run(cuda_.card, layers_);
    ended([&] {
      cuda_.store.let_go_of_pass();
      n_head_bytes_ = head_.logits(layers_, poll_, logits);
      if (layers_.n_rows() == 0) cuda_.card->wait(poll_);
    });
    is_busy_ = false;
  }
  void choose(const std::vector<Chooser>& choosers, Choice* choices) override {
    graphs_.run(cuda_.card, layers_);
    ended([&] {
      cuda_.store.let_go_of_pass();
      n_head_bytes_ = head_.choose(layers_, poll_, choosers, choices);
      if (layers_.n_rows() == 0) cuda_.card->wait(poll_);  // nobody wants a row: the head waits for nothing
    });
    is_busy_ = false;
  }

  bool can_begin(const std::vector<Chooser>& choosers) const override {
    return !cuda_.host && !are_timed() && head_.can_screen(choosers);
  }
  void begin_choose(const std::vector<Chooser>& choosers) override {
    graphs_.run(cuda_.card, layers_);
    cuda_.store.let_go_of_pass();
    head_.begin(layers_, choosers);
  }
  void finish_choose(const std::vector<Chooser>& choosers, Choice* choices) override {
    ended([&] { n_head_bytes_ = head_.finish(layers_, poll_, choosers, choices); });
    is_busy_ = false;
  }

  void read_hidden(float* out) const override { layers_.read_hidden(out); }
  void read_router_logits(float* out) const override { layers_.read_router_logits(out); }
  void read_experts(std::int32_t* experts, float* weights) const override {
    layers_.read_experts(experts, weights);
  }
  std::uint64_t bytes_touched() const override {
    return layers_.n_bytes() + n_head_bytes_ + pass_.key_bytes();
  }

 private:
  template <class Call>
  void run(Call call) {
    if (graphs_.is_noting()) {
      graphs_.note(call);
    } else {
      call();
    }
  }
  // Waits for a pass that nobody finished: its numbers are about to be overwritten.
  void end() {
    if (is_busy_) cuda_.card->wait();
    is_busy_ = false;
  }
  // A cancelled pass gives its blocks back, so the card may write them no more.
  template <class Work>
  void ended(Work work) {
    try {
      work();
    } catch (const Cancelled&) {
      cuda_.card->wait();
      throw;
    }
  }

  const CudaContext& cuda_;
  std::function<bool()> poll_;
  Pass pass_;
  Layers layers_;
  Head head_;
  Graphs graphs_;
  std::uint64_t n_head_bytes_ = 0;
  bool is_busy_ = false;  // from begin() to the end of its pass
};

class CudaDevice final : public Device {
 public:
  CudaDevice(const Config& config, const Weights& weights, const Weights::Find& find,
             const DeviceOptions& options)
      : card_(opened(options)),
        kernels_(card_),
        n_threads_(options.n_threads),
        store_(std::make_shared<CudaKvStore>(card_, supported(config), options.kv, options.kv_memory)),
        weights_(card_, config, weights, PackedCopies(config, find), options),
        host_(host_experts(card_, config, weights, options)),
        visitors_(host_ ? std::make_unique<VisitingExperts>(card_, config, weights, host_->pool()) : nullptr),
        context_{.card = card_,
                 .c = config,
                 .w = weights_,
                 .kernels = kernels_,
                 .store = *store_,
                 .n_terms = options.precision == Precision::fast ? 1 : 3,
                 .host = host_.get(),
                 .visitors = visitors_.get()},
        ops_(context_, weights.embed_tokens) {}

  Ops& ops() override { return ops_; }
  std::shared_ptr<KvStore> kv() override { return store_; }
  void set_poll(std::function<bool()> poll) override { ops_.set_poll(std::move(poll)); }
  int threads() const override { return n_threads_; }
  void set_threads(int n) override {
    if (host_) host_->set_threads(n);
    n_threads_ = n;
  }
  std::string isa() const override {
    return "sm_" + std::to_string(card_->info().major) + std::to_string(card_->info().minor);
  }

 private:
  static std::unique_ptr<HostExperts> host_experts(const std::shared_ptr<const Card>& card,
                                                   const Config& config, const Weights& weights,
                                                   const DeviceOptions& options) {
    if (options.host_layers == 0) return nullptr;
    const Terms terms = options.precision == Precision::fast ? Terms::one : Terms::three;
    return std::make_unique<HostExperts>(card, config, weights, terms, options.host_layers,
                                         options.n_threads);
  }
  static std::shared_ptr<Card> opened(const DeviceOptions& options) {
    auto card = Card::open(options.ordinal);
    card->set_limit(options.device_memory);
    return card;
  }

  const std::shared_ptr<Card> card_;
  const Kernels kernels_;
  int n_threads_;
  const std::shared_ptr<CudaKvStore> store_;
  const CardWeights weights_;
  const std::unique_ptr<HostExperts> host_;
  const std::unique_ptr<VisitingExperts> visitors_;
  const CudaContext context_;
  CudaOps ops_;
};

}  // namespace

DeviceKind cuda_device() {
  return {.name = "cuda",
          .make = [](const Config& config, const Weights& weights, const Weights::Find& find,
                     const DeviceOptions& options) -> std::unique_ptr<Device> {
            const PlainFloats plain;
            return std::make_unique<CudaDevice>(config, weights, find, options);
          },
          .packings = cpu_packings};
}

}  // namespace ossnb
