// Whole passes of tiny models on the card, bit by bit against the CPU's.
#include <cstring>

#include "base/error.h"
#include "cases.h"
#include "model/forward.h"
#include "ops/cuda/cuda_device.h"
#include "seeded.h"
#include "tiny_tensors.h"

namespace ossnb::cuda::testing {

namespace {

using ossnb::testing::Experts;
using ossnb::testing::kTinyConfig;
using ossnb::testing::TinyTensors;

struct Setup {
  Experts layout = Experts::mxfp4;
  Precision precision = Precision::exact;
  KvFormat kv = KvFormat::float32;
  bool is_packed = true;
  Config config = kTinyConfig;
};

class Twins {
 public:
  explicit Twins(const Setup& setup)
      : config_(setup.config), tensors_(packed(setup)), cpu_(make("cpu", setup)), card_(make("cuda", setup)) {}

  Model& cpu() { return *cpu_; }
  Model& card() { return *card_; }

  std::vector<std::int32_t> random_tokens(int n) {
    std::vector<std::int32_t> tokens(n);
    for (std::int32_t& token : tokens) token = random_.below(config_.vocab_size);
    return tokens;
  }

 private:
  static TinyTensors packed(const Setup& setup) {
    TinyTensors tensors(setup.layout, setup.config);
    if (setup.is_packed) tensors.pack(setup.precision);
    return tensors;
  }
  std::unique_ptr<Model> make(const char* device, const Setup& setup) {
    return std::make_unique<Model>(
        config_, [this](const std::string& name) { return tensors_.find(name); }, device,
        DeviceOptions{.precision = setup.precision, .kv = setup.kv, .n_threads = 1});
  }
  const Config config_;
  const TinyTensors tensors_;
  std::unique_ptr<Model> cpu_, card_;
  ossnb::testing::Random random_{21};
};

// What one pass gives: logits of all rows, and the inner values of all layers.
struct Seen {
  std::vector<float> hidden, router, weights;
  std::vector<std::int32_t> experts;
};

std::vector<float> logits(Model& model, Sequence& sequence, const std::vector<std::int32_t>& tokens, int n_wanted,
                          Seen* seen) {
  const Config& c = model.config();
  const int n = static_cast<int>(tokens.size());
  std::vector<float> logits(static_cast<std::size_t>(n_wanted) * c.vocab_size);
  model.logits({{&sequence, tokens.data(), n, n_wanted}}, logits.data(), nullptr, [&](int layer, const Ops& ops) {
    if (!seen) return;
    const int rows = layer + 1 == c.num_hidden_layers ? n_wanted : n;
    const auto more = [](auto& all, std::size_t size) {
      all.resize(all.size() + size);
      return all.data() + all.size() - size;
    };
    ops.read_hidden(more(seen->hidden, static_cast<std::size_t>(rows) * c.hidden_size));
    if (layer < 0) return;
    ops.read_router_logits(more(seen->router, static_cast<std::size_t>(rows) * c.num_local_experts));
    const std::size_t chosen = static_cast<std::size_t>(rows) * c.num_experts_per_tok;
    std::int32_t* experts = more(seen->experts, chosen);
    ops.read_experts(experts, more(seen->weights, chosen));
  });
  return logits;
}

void compare_chunks(const Setup& setup, const std::vector<int>& chunks) {
  Twins twins(setup);
  Sequence on_cpu = twins.cpu().sequence(), on_card = twins.card().sequence();
  for (const int n : chunks) {
    const std::vector<std::int32_t> tokens = twins.random_tokens(n);
    Seen expected, found;
    const std::vector<float> wanted = logits(twins.cpu(), on_cpu, tokens, n, &expected);
    const std::vector<float> got = logits(twins.card(), on_card, tokens, n, &found);
    const std::string what = std::to_string(n) + " tokens at " + std::to_string(on_cpu.length() - n) + ": ";
    require_equal(found.hidden, expected.hidden, what + "hidden");
    require_equal(found.router, expected.router, what + "router");
    require_equal(found.experts, expected.experts, what + "experts");
    require_equal(found.weights, expected.weights, what + "expert weights");
    require_equal(got, wanted, what + "logits");
  }
}

}  // namespace

void add_forward_cases(Cases& cases) {
  const std::vector<int> chunks = {1, 2, 3, 1, 30, 4, 1, 39, 1};
  const std::pair<const char*, Setup> setups[] = {
      {"mxfp4 exact bf12", {}},
      {"mxfp4 exact bf16", {.is_packed = false}},
      {"mxfp4 fast", {.precision = Precision::fast}},
      {"bf16 exact", {.layout = Experts::bf16}},
      {"kv bf16", {.kv = KvFormat::bf16}},
      {"kv int8", {.kv = KvFormat::int8}},
  };
  for (const auto& [name, setup] : setups) {
    cases.push_back({std::string("forward ") + name, [setup = setup, chunks] { compare_chunks(setup, chunks); }});
  }
}

}  // namespace ossnb::cuda::testing
