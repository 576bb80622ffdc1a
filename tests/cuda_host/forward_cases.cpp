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
  int host_layers = 0;
  Config config = kTinyConfig;
};

class Twins {
 public:
  explicit Twins(const Setup& setup)
      : config_(setup.config),
        tensors_(packed(setup)),
        cpu_(make("cpu", setup)),
        card_(make("cuda", setup)) {}

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
        DeviceOptions{
            .precision = setup.precision, .kv = setup.kv, .n_threads = 1, .host_layers = setup.host_layers});
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

std::vector<float> logits(Model& model, Sequence& sequence, const std::vector<std::int32_t>& tokens,
                          int n_wanted, Seen* seen) {
  const Config& c = model.config();
  const int n = static_cast<int>(tokens.size());
  std::vector<float> logits(static_cast<std::size_t>(n_wanted) * c.vocab_size);
  model.logits(
      {{&sequence, tokens.data(), n, n_wanted}}, logits.data(), nullptr, [&](int layer, const Ops& ops) {
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

SamplerSettings settings_of(double temperature, std::uint64_t seed) {
  SamplerSettings settings;
  settings.temperature = temperature;
  settings.seed = seed;
  return settings;
}

// Tokens that several sequences choose side by side: by the screen, where there are few, or from all logits.
void compare_choices(const Setup& setup, int n_sequences, double temperature, bool is_masked,
                     int n_prompt = 3, int n_steps = 6) {
  Twins twins(setup);
  const int V = setup.config.vocab_size;
  std::vector<std::uint32_t> words((V + 31) / 32, 0x5a5a5a5au);
  const TokenMask mask(words, V);
  std::vector<Sequence> on_cpu, on_card;
  std::vector<Sampler> samplers;
  std::vector<std::vector<std::int32_t>> tokens;
  for (int i = 0; i < n_sequences; ++i) {
    on_cpu.push_back(twins.cpu().sequence());
    on_card.push_back(twins.card().sequence());
    samplers.emplace_back(settings_of(temperature, 7 + i), V, std::vector<std::int32_t>{});
    tokens.push_back(twins.random_tokens(n_prompt + i % 5));
  }
  const auto step = [&](Model& model, std::vector<Sequence>& sequences) {
    std::vector<Feed> feeds;
    std::vector<Chooser> choosers;
    for (int i = 0; i < n_sequences; ++i) {
      feeds.push_back({&sequences[i], tokens[i].data(), static_cast<int>(tokens[i].size()), 1});
      choosers.push_back({.sampler = &samplers[i],
                          .position = sequences[i].length() + static_cast<int>(tokens[i].size()),
                          .n_top = i == 5 ? 3 : 0,
                          .mask = is_masked && i % 2 == 0 ? &mask : nullptr});
    }
    std::vector<Choice> choices;
    model.step(feeds, choosers, choices, nullptr);
    std::vector<std::int32_t> chosen;
    for (const Choice& choice : choices) chosen.push_back(choice.token);
    return chosen;
  };
  // Passes that end without a row that somebody wants, one after the other.
  for (int i = 0; i < n_sequences; ++i) {
    for (const int n : {4, 1}) {
      const std::vector<std::int32_t> first = twins.random_tokens(n);
      std::vector<Choice> none;
      twins.cpu().step({{&on_cpu[i], first.data(), n, 0}}, {}, none, nullptr);
      twins.card().step({{&on_card[i], first.data(), n, 0}}, {}, none, nullptr);
    }
  }
  for (int i = 0; i < n_steps; ++i) {
    const std::vector<std::int32_t> wanted = step(twins.cpu(), on_cpu), got = step(twins.card(), on_card);
    require_equal(got, wanted, "step " + std::to_string(i) + ": tokens");
    for (int s = 0; s < n_sequences; ++s) tokens[s] = {wanted[s]};
  }
}

// Steps that go on as the last one foretold, so that they begin before they are asked for, and all else that
// may be asked for instead.
void compare_foretold() {
  Twins twins({});
  const int V = kTinyConfig.vocab_size;
  const std::vector<std::uint32_t> words((V + 31) / 32, 0x5a5a5a5au);
  const TokenMask mask(words, V);
  const Sampler usual(settings_of(0.9, 5), V, {}), other(settings_of(1.4, 5), V, {});
  std::vector<Sequence> on_cpu, on_card;
  for (int i = 0; i < 2; ++i) {
    on_cpu.push_back(twins.cpu().sequence());
    on_card.push_back(twins.card().sequence());
  }
  std::vector<std::vector<std::int32_t>> next = {twins.random_tokens(5), twins.random_tokens(9)};
  // One step of sequences first .. last on both; keeps what was chosen.
  const auto step = [&](std::size_t first, std::size_t last, const Sampler& sampler,
                        const TokenMask* allowed) {
    const auto chosen = [&](Model& model, std::vector<Sequence>& sequences) {
      std::vector<Feed> feeds;
      std::vector<Chooser> choosers;
      for (std::size_t i = first; i <= last; ++i) {
        const int n = static_cast<int>(next[i].size());
        feeds.push_back({&sequences[i], next[i].data(), n, 1});
        choosers.push_back({.sampler = &sampler, .position = sequences[i].length() + n, .mask = allowed});
      }
      std::vector<Choice> choices;
      model.step(feeds, choosers, choices, nullptr);
      std::vector<std::int32_t> tokens;
      for (const Choice& choice : choices) tokens.push_back(choice.token);
      return tokens;
    };
    const std::vector<std::int32_t> wanted = chosen(twins.cpu(), on_cpu), got = chosen(twins.card(), on_card);
    require_equal(got, wanted, "tokens at " + std::to_string(on_cpu[first].length()));
    for (std::size_t i = first; i <= last; ++i) next[i] = {wanted[i - first]};
  };
  // A child of the first sequence that takes other tokens and goes.
  const auto branch = [&](Model& model, std::vector<Sequence>& sequences,
                          const std::vector<std::int32_t>& tokens) {
    Sequence child = sequences[0].fork();
    return logits(model, child, tokens, static_cast<int>(tokens.size()), nullptr);
  };
  // A block that is freed, whose id another one with other keys gets.
  const auto overwrite = [](Model& model, std::vector<Sequence>& sequences) {
    const std::shared_ptr<KvStore> store = model.device().kv();
    std::vector<std::byte> bytes(store->block_bytes());
    store->read(sequences[1].blocks().front(), bytes.data());
    const BlockId block = store->make_from(bytes.data());
    store->release({&block, 1});
  };
  for (int round = 0; round < 16; ++round) {
    for (int i = 0; i < 5; ++i) step(0, 1, usual, nullptr);
    switch (round % 8) {
      case 0:
        step(0, 1, other, nullptr);
        break;
      case 1:
        step(0, 1, usual, &mask);
        break;
      case 2:
        step(0, 0, usual, nullptr);
        break;
      case 3:
        step(1, 1, usual, nullptr);
        break;
      case 4:
        next[1] = twins.random_tokens(1);
        break;
      case 5:
        on_cpu[0].rewind(on_cpu[0].length() - 2);
        on_card[0].rewind(on_card[0].length() - 2);
        next[0] = twins.random_tokens(3);
        break;
      case 6: {
        const std::vector<std::int32_t> tokens = twins.random_tokens(2);
        require_equal(branch(twins.card(), on_card, tokens), branch(twins.cpu(), on_cpu, tokens), "a branch");
        break;
      }
      default:
        overwrite(twins.cpu(), on_cpu);
        overwrite(twins.card(), on_card);
    }
  }
  OSSNB_REQUIRE(twins.cpu().n_foretold() == 0);
  OSSNB_REQUIRE(twins.card().n_foretold() > 24 && twins.card().n_foretold() <= 3 * 16);
}

// A model of another shape: widths that are no multiple of 64, odd numbers of groups, one head a key or many,
// one expert or all.
struct Form {
  const char* name;
  int D, I, H, Hk, Dh, E, A, V;
};

void compare_form(const Form& form, Precision precision) {
  Setup setup = {.precision = precision};
  Config& c = setup.config;
  c.num_hidden_layers = 2;
  c.layer_is_sliding = {true, false};
  c.hidden_size = form.D;
  c.intermediate_size = form.I;
  c.num_attention_heads = form.H;
  c.num_key_value_heads = form.Hk;
  c.head_dim = form.Dh;
  c.num_local_experts = form.E;
  c.num_experts_per_tok = form.A;
  c.vocab_size = form.V;
  compare_chunks(setup, {1, 2, 3, 5, 33, 1});
}

// A context of several pieces, and windows that begin and end at their edges.
void compare_long(KvFormat kv, const std::vector<int>& chunks) {
  Setup setup = {.kv = kv};
  setup.config.num_hidden_layers = 2;
  setup.config.layer_is_sliding = {true, false};
  setup.config.sliding_window = 130;
  compare_chunks(setup, chunks);
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
      {"experts of two layers by the CPU", {.host_layers = 2}},
      {"experts of all layers by the CPU, fast", {.precision = Precision::fast, .host_layers = 3}},
  };
  for (const auto& [name, setup] : setups) {
    cases.push_back(
        {std::string("forward ") + name, [setup = setup, chunks] { compare_chunks(setup, chunks); }});
  }
  // Enough rows for the experts of the host's layers to come over, and then too few again.
  const std::pair<const char*, Setup> visits[] = {
      {"exact", {.host_layers = 2}},
      {"fast", {.precision = Precision::fast, .host_layers = 3}},
      {"bf16", {.layout = Experts::bf16, .host_layers = 3}},
  };
  for (const auto& [name, setup] : visits) {
    cases.push_back(
        {std::string("visit ") + name, [setup = setup] { compare_chunks(setup, {60, 1, 52, 5}); }});
  }
  for (const int n : {1, 3, 4, 9}) {
    for (const double temperature : {0.0, 0.8, 3.0}) {
      for (const bool is_masked : {false, true}) {
        cases.push_back({"choices of " + std::to_string(n) + " at " + std::to_string(temperature) +
                             (is_masked ? " masked" : ""),
                         [=] { compare_choices({}, n, temperature, is_masked); }});
      }
    }
  }
  cases.push_back({"foretold", compare_foretold});
  // Passes that are alike become graphs; room for more keys makes another one.
  cases.push_back({"graphs across pieces", [] { compare_choices({}, 2, 0.5, false, 250, 12); }});
  const Form forms[] = {{"narrow", 32, 32, 4, 4, 16, 3, 1, 17},
                        {"five groups", 160, 96, 5, 1, 64, 9, 4, 130},
                        {"all experts", 224, 64, 6, 3, 32, 4, 4, 64},
                        {"many heads a key", 64, 288, 32, 1, 16, 130, 3, 65}};
  for (const Form& form : forms) {
    cases.push_back({std::string("form exact ") + form.name, [=] { compare_form(form, Precision::exact); }});
    cases.push_back({std::string("form fast ") + form.name, [=] { compare_form(form, Precision::fast); }});
  }
  const std::vector<int> many = {250, 1, 1, 4, 1, 1, 130, 120, 1, 2, 30, 1, 7, 20}, few = {256, 1, 1};
  cases.push_back({"long float32", [=] { compare_long(KvFormat::float32, many); }});
  cases.push_back({"long int8", [=] { compare_long(KvFormat::int8, many); }});
  cases.push_back({"pieces", [=] { compare_long(KvFormat::float32, few); }});  // for the sanitizers
}

}  // namespace ossnb::cuda::testing
