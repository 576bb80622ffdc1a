// The checkpoint's tensors under their names, borrowed from the caller's mapping: nothing is copied.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/config.h"
#include "format/dtype.h"

namespace ossnb {

struct Tensor {
  const void* data = nullptr;
  int item_bytes = 0;
  std::vector<std::int64_t> shape;
};

// One projection of all experts, in one of two layouts.
struct ExpertMatrix {
  const std::uint8_t* blocks = nullptr;  // MXFP4 [E, out, in/32, 16]
  const std::uint8_t* scales = nullptr;  //       [E, out, in/32]
  const bf16* in_out = nullptr;          // or bf16 [E, in, out], as transformers saves a fine-tune
  const bf16* bias = nullptr;            // [E, out]
};

struct LayerWeights {
  const bf16* input_layernorm;              // [D]
  const bf16 *q_weight, *q_bias;            // [H*Dh, D], [H*Dh]
  const bf16 *k_weight, *k_bias;            // [Hk*Dh, D], [Hk*Dh]
  const bf16 *v_weight, *v_bias;            // [Hk*Dh, D], [Hk*Dh]
  const bf16 *o_weight, *o_bias;            // [D, H*Dh], [D]
  const bf16* sinks;                        // [H]
  const bf16* post_attention_layernorm;     // [D]
  const bf16 *router_weight, *router_bias;  // [E, D], [E]
  ExpertMatrix gate_up, down;               // out = 2*I (gate and up alternate) and D
};

struct Weights {
  const bf16* embed_tokens;  // [V, D]
  const bf16* norm;          // [D]
  const bf16* lm_head;       // [V, D]
  std::vector<LayerWeights> layers;

  // find(name) gives a tensor, or one without data. ValueError names a tensor that is missing or has another
  // shape.
  using Find = std::function<Tensor(const std::string& name)>;
  Weights(const Config& config, const Find& find);
};

}  // namespace ossnb
