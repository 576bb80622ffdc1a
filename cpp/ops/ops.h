// The steps of the forward pass (model/forward.cpp) that a device computes. They are coarse, so that a device
// may fuse anything inside a call and the forward pass stays one page.
#pragma once

#include <cstdint>
#include <vector>

#include "choice/choice.h"
#include "ops/batch.h"

namespace ossnb {

class Ops {
 public:
  virtual ~Ops() = default;
  virtual void begin(const Batch& batch) = 0;  // room for T rows, their rotary angles
  virtual void embed() = 0;                    // x = embed_tokens[token]
  virtual void attn_in(int layer) = 0;         // q, k, v of norm(x); rotate; store k and v
  virtual void keep_wanted_rows() = 0;         // drops the other rows: their keys are stored
  virtual void attend(int layer) = 0;          // attention over the keys that each row may see
  virtual void attn_out(int layer) = 0;        // x += o_proj
  virtual void route(int layer) = 0;           // norm(x); choose experts
  virtual void experts(int layer) = 0;         // x += weighted sum of the chosen experts

  // The end of a pass, after keep_wanted_rows(): one of the two. choose() gives for each wanted row the
  // choice that choose_from() (choice/choice.h) makes from its logits. The device decides how many logits it
  // computes.
  virtual void lm_head(float* logits) = 0;                                         // [wanted_rows, V]
  virtual void choose(const std::vector<Chooser>& choosers, Choice* choices) = 0;  // [wanted_rows] each

  // choose() in two parts, for a device that computes while its caller does something else. `can_begin` is
  // asked before the pass; where it is true, no call before finish_choose() waits for the device. A pass that
  // was begun and not finished is lost with the next begin().
  virtual bool can_begin(const std::vector<Chooser>&) const { return false; }
  virtual void begin_choose(const std::vector<Chooser>&) {}
  virtual void finish_choose(const std::vector<Chooser>&, Choice*) {}

  // Results of the last calls, for traces. No call computes more for them.
  virtual void read_hidden(float* out) const = 0;                              // [T, D] the residual stream
  virtual void read_router_logits(float* out) const = 0;                       // [T, E]
  virtual void read_experts(std::int32_t* experts, float* weights) const = 0;  // [T, A] each, likeliest first

  // Bytes of weights, keys and values that the calls since begin() had to read, each once.
  virtual std::uint64_t bytes_touched() const = 0;
};

}  // namespace ossnb
