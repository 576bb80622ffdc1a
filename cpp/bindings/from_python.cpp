#include "bindings/from_python.h"

#include "base/error.h"

namespace ossnb {

Config config_from(const py::dict& d) {
  const auto integer = [&](const char* key) { return d[key].cast<int>(); };
  const auto real = [&](const char* key) { return d[key].cast<double>(); };
  Config c{};
  c.num_hidden_layers = integer("num_hidden_layers");
  c.hidden_size = integer("hidden_size");
  c.intermediate_size = integer("intermediate_size");
  c.num_attention_heads = integer("num_attention_heads");
  c.num_key_value_heads = integer("num_key_value_heads");
  c.head_dim = integer("head_dim");
  c.num_local_experts = integer("num_local_experts");
  c.num_experts_per_tok = integer("num_experts_per_tok");
  c.vocab_size = integer("vocab_size");
  c.sliding_window = integer("sliding_window");
  for (const auto& type : d["layer_types"])
    c.layer_is_sliding.push_back(type.cast<std::string>() == "sliding_attention");
  c.rms_norm_eps = static_cast<float>(real("rms_norm_eps"));
  c.swiglu_limit = static_cast<float>(real("swiglu_limit"));
  c.swiglu_alpha = static_cast<float>(real("swiglu_alpha"));
  c.rope_theta = real("rope_theta");
  c.rope_factor = real("rope_factor");
  c.rope_beta_fast = real("rope_beta_fast");
  c.rope_beta_slow = real("rope_beta_slow");
  c.rope_original_max_position_embeddings = integer("rope_original_max_position_embeddings");
  return c;
}

Tensor tensor_from(const py::dict& tensors, const std::string& name) {
  if (!tensors.contains(name)) return {};
  const auto array = tensors[name.c_str()].cast<py::array>();
  if (!(array.flags() & py::array::c_style)) throw ValueError("tensor " + name + " is not C-contiguous");
  return {array.data(), static_cast<int>(array.itemsize()), {array.shape(), array.shape() + array.ndim()}};
}

Precision precision_from(const std::string& name) {
  if (name == "exact") return Precision::exact;
  if (name == "fast") return Precision::fast;
  throw ValueError("precision must be 'exact' or 'fast', got '" + name + "'");
}

KvFormat kv_format_from(const std::string& name) {
  if (name == "float32") return KvFormat::float32;
  if (name == "bf16") return KvFormat::bf16;
  if (name == "int8") return KvFormat::int8;
  throw ValueError("kv must be 'float32', 'bf16' or 'int8', got '" + name + "'");
}

}  // namespace ossnb
