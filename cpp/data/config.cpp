#include "data/config.h"

#include "base/error.h"

namespace ossnb {

namespace {

void require(bool holds, const char* field, int got, const char* expected) {
  if (holds) return;
  throw ValueError(std::string("config: ") + field + " is " + std::to_string(got) + ", expected " + expected);
}

}  // namespace

void Config::check() const {
  require(num_hidden_layers > 0, "num_hidden_layers", num_hidden_layers, "at least 1");
  require(hidden_size > 0 && hidden_size % 32 == 0, "hidden_size", hidden_size, "a positive multiple of 32");
  require(intermediate_size > 0 && intermediate_size % 32 == 0, "intermediate_size", intermediate_size,
          "a positive multiple of 32");
  require(head_dim > 0 && head_dim % 16 == 0, "head_dim", head_dim, "a positive multiple of 16");
  require(num_key_value_heads > 0, "num_key_value_heads", num_key_value_heads, "at least 1");
  require(num_attention_heads > 0 && num_attention_heads % num_key_value_heads == 0, "num_attention_heads",
          num_attention_heads, "a positive multiple of num_key_value_heads");
  require(num_experts_per_tok > 0 && num_experts_per_tok <= num_local_experts, "num_experts_per_tok",
          num_experts_per_tok, "1 to num_local_experts");
  require(vocab_size > 0, "vocab_size", vocab_size, "at least 1");
  require(sliding_window > 0, "sliding_window", sliding_window, "at least 1");
  require(static_cast<int>(layer_is_sliding.size()) == num_hidden_layers, "layer_types",
          static_cast<int>(layer_is_sliding.size()), "one entry a layer");
}

}  // namespace ossnb
