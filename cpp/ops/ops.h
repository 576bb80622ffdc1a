// What a device must do for the forward pass (model/forward.cpp). Coarse on purpose: a device may fuse
// anything inside a call, and the forward pass stays one page.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/thread_pool.h"
#include "data/config.h"
#include "data/kv.h"
#include "data/weights.h"
#include "kernels/kernels.h"
#include "ops/derive.h"
#include "ops/screen.h"

namespace ossnb {

// T rows of (token, position, sequence) in any mix: prefill chunks, single tokens, several sequences.
struct Batch {
  std::vector<std::int32_t> tokens;      // [T]
  std::vector<std::int32_t> positions;   // [T]
  std::vector<Sequence*> sequences;      // [T], prepared for these positions
  std::vector<std::int32_t> logit_rows;  // rows whose logits are wanted, rising
  int n_rows() const { return static_cast<int>(tokens.size()); }
};

class Ops {
 public:
  virtual ~Ops() = default;
  virtual void begin(const Batch& batch) = 0;  // room for T rows, their rotary angles
  virtual void embed() = 0;                    // x = embed_tokens[token]
  virtual void attn_in(int layer) = 0;         // q, k, v of norm(x); rotate; store k and v
  virtual void keep_logit_rows() = 0;       // drops the rows whose logits nobody wants: their keys are stored
  virtual void attend(int layer) = 0;       // attention over what each row may see
  virtual void attn_out(int layer) = 0;     // x += o_proj
  virtual void route(int layer) = 0;        // norm(x); choose experts
  virtual void experts(int layer) = 0;      // x += weighted sum of the chosen experts
  virtual void lm_head(float* logits) = 0;  // [logit_rows, V], after keep_logit_rows

  // In place of lm_head(), where there is a Q6 copy of it and one row: bounds of all logits from that, and
  // any logits as lm_head() gives them, bit for bit. `rows` may be called by any thread, at any time.
  virtual bool has_screen() const = 0;
  virtual void screen(Screen& out) = 0;
  virtual void lm_head_rows(const float* x, const std::int32_t* rows, int n, float* logits) const = 0;

  // What the last calls left, for those who look inside; none of it is computed for their sake.
  virtual void read_hidden(float* out) const = 0;                              // [T, D] the residual stream
  virtual void read_router_logits(float* out) const = 0;                       // [T, E]
  virtual void read_experts(std::int32_t* experts, float* weights) const = 0;  // [T, A] each, likeliest first

  // Bytes of weights, keys and values that the calls since begin() had to read, each once.
  virtual std::uint64_t bytes_touched() const = 0;
};

// exact: weights as stored, activations of float32 grade. fast: activations of one int8 term a group of 32
// wherever weights are integers, and the attention's matrices packed to int8 (Q8): those in `derived`, or
// made here at the cost of 1.06 bytes a weight. lm_head is as stored in both.
enum class Precision { exact, fast };

std::unique_ptr<Ops> make_cpu_ops(const Config& config, const Weights& weights, const Derived& derived,
                                  Precision precision, const kernels::Table& kernels, ThreadPool& pool);

}  // namespace ossnb
