#include "tiny_model.h"

#include <cstdio>
#include <cstring>
#include <map>
#include <string>

#include "choice/sampler.h"
#include "data/rope.h"
#include "model/forward.h"
#include "seeded.h"

namespace ossnb::testing {
namespace {

enum class Experts { mxfp4, bf16 };

const Config kConfig = {.num_hidden_layers = 3,
                        .hidden_size = 96,
                        .intermediate_size = 160,
                        .num_attention_heads = 8,
                        .num_key_value_heads = 2,
                        .head_dim = 32,
                        .num_local_experts = 6,
                        .num_experts_per_tok = 2,
                        .vocab_size = 203,
                        .sliding_window = 24,
                        .layer_is_sliding = {true, false, true},
                        .rms_norm_eps = 1e-5f,
                        .swiglu_limit = 7,
                        .swiglu_alpha = 1.702f,
                        .rope_theta = 150000,
                        .rope_factor = 32,
                        .rope_beta_fast = 32,
                        .rope_beta_slow = 1,
                        .rope_original_max_position_embeddings = 4096,
                        .max_position_embeddings = 131072};

// Tensors under their names in a checkpoint.
class Tensors {
 public:
  explicit Tensors(Experts layout) {
    const Config& c = kConfig;
    const int D = c.hidden_size, I = c.intermediate_size, E = c.num_local_experts, Q = c.q_size();
    floats("model.embed_tokens.weight", {c.vocab_size, D}, 1);
    floats("lm_head.weight", {c.vocab_size, D}, 0.1f);
    floats("model.norm.weight", {D}, 0.1f, 1);
    for (int l = 0; l < c.num_hidden_layers; ++l) {
      const std::string layer = "model.layers." + std::to_string(l) + ".", attn = layer + "self_attn.";
      floats(layer + "input_layernorm.weight", {D}, 0.1f, 1);
      floats(layer + "post_attention_layernorm.weight", {D}, 0.1f, 1);
      floats(attn + "sinks", {c.num_attention_heads}, 1);
      linear(attn + "q_proj.", Q, D);
      linear(attn + "k_proj.", c.kv_size(), D);
      linear(attn + "v_proj.", c.kv_size(), D);
      linear(attn + "o_proj.", D, Q);
      linear(layer + "mlp.router.", E, D);
      experts(layer + "mlp.experts.gate_up_proj", layout, E, D, 2 * I);
      experts(layer + "mlp.experts.down_proj", layout, E, I, D);
    }
  }

  Tensor find(const std::string& name) const {
    const auto found = stored_.find(name);
    if (found == stored_.end()) return {};
    const Stored& s = found->second;
    return {s.bytes.data(), s.item_bytes, s.shape};
  }

 private:
  using Shape = std::vector<std::int64_t>;
  struct Stored {
    std::vector<std::uint8_t> bytes;
    int item_bytes;
    Shape shape;
  };

  static std::size_t size(const Shape& shape) {
    std::size_t n = 1;
    for (const std::int64_t d : shape) n *= d;
    return n;
  }
  void floats(const std::string& name, const Shape& shape, float scale, float centre = 0) {
    const std::vector<bf16> values = random_.bf16s(size(shape), scale, centre);
    Stored& s =
        stored_[name] = {std::vector<std::uint8_t>(values.size() * sizeof(bf16)), sizeof(bf16), shape};
    std::memcpy(s.bytes.data(), values.data(), s.bytes.size());
  }
  void bytes(const std::string& name, const Shape& shape, int low, int high) {
    stored_[name] = {random_.bytes(size(shape), low, high), 1, shape};
  }
  void linear(const std::string& name, int n_out, int n_in) {
    floats(name + "weight", {n_out, n_in}, 0.1f);
    floats(name + "bias", {n_out}, 0.1f);
  }
  void experts(const std::string& name, Experts layout, int n_experts, int n_in, int n_out) {
    if (layout == Experts::mxfp4) {
      bytes(name + "_blocks", {n_experts, n_out, n_in / kGroup, kGroupBytes}, 0, 256);
      bytes(name + "_scales", {n_experts, n_out, n_in / kGroup}, 121, 124);
    } else {
      floats(name, {n_experts, n_in, n_out}, 0.1f);
    }
    floats(name + "_bias", {n_experts, n_out}, 0.1f);
  }

  Random random_{20};
  std::map<std::string, Stored> stored_;
};

// Logits of every position of a prompt that comes in chunks, then of twelve sampled tokens.
std::uint64_t run(const Tensors& tensors, Precision precision, const char* level) {
  constexpr int kThreads = 2, kDecode = 12;
  Model model(kConfig, [&](const std::string& name) { return tensors.find(name); }, "cpu",
              {.precision = precision, .n_threads = kThreads, .isa = level});
  Sequence sequence = model.sequence();
  SamplerSettings settings;
  settings.temperature = 0.9;
  settings.top_p = 0.95;
  settings.seed = 7;
  Sampler sampler(settings, kConfig.vocab_size, {});
  Random random(21);
  Hash hash;
  std::vector<float> logits;
  const auto feed = [&](const std::vector<std::int32_t>& tokens) {
    const int n = static_cast<int>(tokens.size());
    logits.resize(static_cast<std::size_t>(n) * kConfig.vocab_size);
    model.logits({{&sequence, tokens.data(), n, n}}, logits.data(), nullptr);
    hash.add(logits.data(), logits.size());
  };
  for (const int n : {1, 30, 39}) {
    std::vector<std::int32_t> tokens(n);
    for (std::int32_t& token : tokens) token = random.below(kConfig.vocab_size);
    feed(tokens);
  }
  for (int i = 0; i < kDecode; ++i) {
    const float* last = logits.data() + logits.size() - kConfig.vocab_size;
    const std::int32_t token = sampler.token(last, sequence.length());
    const float logprob = sampler.logprobs(last, token, 0).token;
    sampler.accept(token);
    hash.add(token);
    hash.add(&logprob, 1);
    feed({token});
  }
  return hash.value();
}

// The rotary angles of far positions, which a short run does not reach.
std::uint64_t rope_hash() {
  Config config = kConfig;
  config.head_dim = 64;
  const Rope rope(config);
  std::vector<float> cos(rope.half()), sin(rope.half());
  Hash hash;
  for (const int position : {0, 1, 1000, 4095, 65537, 131071}) {
    rope.angles(position, cos.data(), sin.data());
    hash.add(cos.data(), cos.size());
    hash.add(sin.data(), sin.size());
  }
  return hash.value();
}

}  // namespace

int print_forward_hashes() {
  const auto print = [](const std::string& what, std::uint64_t hash) {
    std::printf("%s %016llx\n", what.c_str(), static_cast<unsigned long long>(hash));
  };
  bool agree = true;
  print("rope", rope_hash());
  for (const Experts layout : {Experts::mxfp4, Experts::bf16}) {
    const Tensors tensors(layout);
    for (const Precision precision : {Precision::exact, Precision::fast}) {
      const std::string what = std::string(layout == Experts::mxfp4 ? "mxfp4" : "bf16") +
                               (precision == Precision::exact ? " exact " : " fast ");
      std::uint64_t expected = 0;  // the reference's: levels() has it first
      for (const kernels::Level& level : kernels::levels()) {
        if (!level.supported) continue;
        const std::uint64_t hash = run(tensors, precision, level.table->name);
        if (level.table == &kernels::reference()) expected = hash;
        print(what + level.table->name, hash);
        agree = agree && hash == expected;
      }
    }
  }
  return agree ? 0 : 1;
}

}  // namespace ossnb::testing
