#include "data/weights.h"

#include "base/error.h"
#include "format/mxfp4.h"

namespace ossnb {

namespace {

using Shape = std::vector<std::int64_t>;

std::string text(const Shape& shape) {
  std::string s = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) s += (i ? ", " : "") + std::to_string(shape[i]);
  return s + "]";
}

class Reader {
 public:
  explicit Reader(const Weights::Find& find) : find_(find) {}

  const bf16* floats(const std::string& name, const Shape& shape) {
    return static_cast<const bf16*>(checked(name, shape, sizeof(bf16)));
  }
  const std::uint8_t* bytes(const std::string& name, const Shape& shape) {
    return static_cast<const std::uint8_t*>(checked(name, shape, 1));
  }
  bool has(const std::string& name) { return find_(name).data != nullptr; }

  ExpertMatrix experts(const std::string& name, std::int64_t e, std::int64_t in, std::int64_t out) {
    ExpertMatrix m;
    if (has(name)) {
      m.in_out = floats(name, {e, in, out});
    } else {
      m.blocks = bytes(name + "_blocks", {e, out, in / kGroup, kGroupBytes});
      m.scales = bytes(name + "_scales", {e, out, in / kGroup});
    }
    m.bias = floats(name + "_bias", {e, out});
    return m;
  }

 private:
  const void* checked(const std::string& name, const Shape& shape, int item_bytes) {
    const Tensor tensor = find_(name);
    if (!tensor.data) throw ValueError("tensor " + name + " is missing");
    if (tensor.shape != shape || tensor.item_bytes != item_bytes) {
      throw ValueError("tensor " + name + " has shape " + text(tensor.shape) + " of " +
                       std::to_string(tensor.item_bytes) + "-byte numbers, expected " + text(shape) + " of " +
                       std::to_string(item_bytes) + "-byte numbers");
    }
    return tensor.data;
  }

  const Weights::Find& find_;
};

}  // namespace

Weights::Weights(const Config& c, const Find& find) {
  Reader read(find);
  const std::int64_t D = c.hidden_size, V = c.vocab_size, I = c.intermediate_size, E = c.num_local_experts;
  const std::int64_t Q = c.q_size(), KV = c.kv_size();
  embed_tokens = read.floats("model.embed_tokens.weight", {V, D});
  norm = read.floats("model.norm.weight", {D});
  lm_head = read.floats("lm_head.weight", {V, D});
  for (int l = 0; l < c.num_hidden_layers; ++l) {
    const std::string layer = "model.layers." + std::to_string(l) + ".";
    const std::string attn = layer + "self_attn.", mlp = layer + "mlp.";
    LayerWeights w;
    w.input_layernorm = read.floats(layer + "input_layernorm.weight", {D});
    w.q_weight = read.floats(attn + "q_proj.weight", {Q, D});
    w.q_bias = read.floats(attn + "q_proj.bias", {Q});
    w.k_weight = read.floats(attn + "k_proj.weight", {KV, D});
    w.k_bias = read.floats(attn + "k_proj.bias", {KV});
    w.v_weight = read.floats(attn + "v_proj.weight", {KV, D});
    w.v_bias = read.floats(attn + "v_proj.bias", {KV});
    w.o_weight = read.floats(attn + "o_proj.weight", {D, Q});
    w.o_bias = read.floats(attn + "o_proj.bias", {D});
    w.sinks = read.floats(attn + "sinks", {c.num_attention_heads});
    w.post_attention_layernorm = read.floats(layer + "post_attention_layernorm.weight", {D});
    w.router_weight = read.floats(mlp + "router.weight", {E, D});
    w.router_bias = read.floats(mlp + "router.bias", {E});
    w.gate_up = read.experts(mlp + "experts.gate_up_proj", E, D, 2 * I);
    w.down = read.experts(mlp + "experts.down_proj", E, I, D);
    layers.push_back(w);
  }
}

}  // namespace ossnb
