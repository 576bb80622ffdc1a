// The numbers of a gpt-oss config.json that the forward pass needs, under their names there.
#pragma once

#include <string>
#include <vector>

namespace ossnb {

struct Config {
  int num_hidden_layers, hidden_size, intermediate_size;
  int num_attention_heads, num_key_value_heads, head_dim;
  int num_local_experts, num_experts_per_tok;
  int vocab_size, sliding_window;
  std::vector<bool> layer_is_sliding;  // [num_hidden_layers]
  float rms_norm_eps, swiglu_limit, swiglu_alpha;
  double rope_theta, rope_factor, rope_beta_fast, rope_beta_slow;
  int rope_original_max_position_embeddings;

  int q_size() const { return num_attention_heads * head_dim; }
  int kv_size() const { return num_key_value_heads * head_dim; }

  // Checks the sizes that the kernels rely on; ValueError otherwise.
  void check() const;
};

}  // namespace ossnb
