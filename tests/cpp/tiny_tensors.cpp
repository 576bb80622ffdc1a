#include "tiny_tensors.h"

#include <cstring>

#include "base/thread_pool.h"
#include "ops/cpu/pack.h"

namespace ossnb::testing {

const Config kTinyConfig = {.num_hidden_layers = 3,
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
                            .rope_original_max_position_embeddings = 4096};

namespace {

std::size_t size(const std::vector<std::int64_t>& shape) {
  std::size_t n = 1;
  for (const std::int64_t d : shape) n *= d;
  return n;
}

}  // namespace

TinyTensors::TinyTensors(Experts layout, const Config& config) : config_(config) {
  const Config& c = config_;
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

Tensor TinyTensors::find(const std::string& name) const {
  const auto found = stored_.find(name);
  if (found == stored_.end()) return {};
  const Stored& s = found->second;
  return {s.bytes.data(), s.item_bytes, s.shape};
}

void TinyTensors::pack(Precision precision) {
  ThreadPool pool(1);
  for (const Packing& packing : cpu_packings(config_, precision)) {
    for (const std::string& name : packing.sources) {
      const Stored& w = stored_.at(name);
      const auto arrays = packing.pack(reinterpret_cast<const bf16*>(w.bytes.data()),
                                       static_cast<int>(w.shape[0]), static_cast<int>(w.shape[1]), pool);
      for (const PackedArray& array : arrays) {
        Stored& s = stored_[name + array.suffix] = {std::vector<std::uint8_t>(array.n_bytes),
                                                    array.dtype == "U8" ? 1 : 4, array.shape};
        std::memcpy(s.bytes.data(), array.data.data(), array.n_bytes);
      }
    }
  }
}

void TinyTensors::floats(const std::string& name, const Shape& shape, float scale, float centre) {
  const std::vector<bf16> values = random_.bf16s(size(shape), scale, centre);
  Stored& s = stored_[name] = {std::vector<std::uint8_t>(values.size() * sizeof(bf16)), sizeof(bf16), shape};
  std::memcpy(s.bytes.data(), values.data(), s.bytes.size());
}

void TinyTensors::bytes(const std::string& name, const Shape& shape, int low, int high) {
  stored_[name] = {random_.bytes(size(shape), low, high), 1, shape};
}

void TinyTensors::linear(const std::string& name, int n_out, int n_in) {
  floats(name + "weight", {n_out, n_in}, 0.1f);
  floats(name + "bias", {n_out}, 0.1f);
}

void TinyTensors::experts(const std::string& name, Experts layout, int n_experts, int n_in, int n_out) {
  if (layout == Experts::mxfp4) {
    bytes(name + "_blocks", {n_experts, n_out, n_in / kGroup, kGroupBytes}, 0, 256);
    bytes(name + "_scales", {n_experts, n_out, n_in / kGroup}, 121, 124);
  } else {
    floats(name, {n_experts, n_in, n_out}, 0.1f);
  }
  floats(name + "_bias", {n_experts, n_out}, 0.1f);
}

}  // namespace ossnb::testing
