// The output layer on the CPU. It gives all logits of a row, or its token from as few bytes as possible.
#pragma once

#include <cstdint>
#include <vector>

#include "base/rows.h"
#include "choice/choice.h"
#include "ops/cpu/activations.h"
#include "ops/cpu/pack.h"
#include "ops/cpu/screen.h"

namespace ossnb {

class Head {
 public:
  Head(const CpuContext& cpu, const Packed& packed);

  // x: [n, D] rows of the residual stream. Logits [n, V]; or the choice of each row. Returns the bytes of
  // weights that were read.
  std::uint64_t logits(const Rows<float>& x, float* logits);
  std::uint64_t choose(const Rows<float>& x, const std::vector<Chooser>& choosers, Choice* choices);

 private:
  // The ways to a row's token. only: one token is allowed. few: products with the allowed rows of lm_head.
  // screen: bounds from the Q6 copy, then the rows that can still win. all: every logit.
  enum class Way { only, few, screen, all };
  Way way_of(const Chooser& chooser) const;
  std::vector<Way> ways_of(const std::vector<Chooser>& choosers) const;

  void norm(const Rows<float>& x);
  void multiply_all(const Rows<float>& normed, float* logits);
  // Logits of a few tokens, by one thread or by all.
  void multiply_rows(const float* normed, const std::int32_t* rows, int n, float* logits) const;
  void share_rows(const float* normed, const std::int32_t* rows, int n, float* logits) const;
  Choice choose_the_only(const Chooser& chooser) const;
  void choose_among_few(const std::vector<int>& rows, const std::vector<Chooser>& choosers, Choice* choices);
  void choose_from_all(const std::vector<int>& rows, const std::vector<Chooser>& choosers, Choice* choices);
  void choose_from_logits(const std::vector<int>& rows, const std::vector<Chooser>& choosers,
                          Choice* choices);
  // Chooses for these rows. Returns the rows for which bounds did not suffice.
  std::vector<int> choose_by_screen(const std::vector<int>& rows, const std::vector<Chooser>& choosers,
                                    Choice* choices);
  void prepare_screen(const float* normed, std::uint8_t* quant, Screen& screen) const;
  void multiply_screens(const std::vector<int>& rows);

  const CpuContext& cpu_;
  const Packed packed_;
  const QuantLayout screen_layout_;  // of K = D

  Rows<float> normed_, some_;    // [n, D] rows after the last norm; the rows that need all logits
  Rows<float> logits_;           // [n, V] of the rows that choose among all logits, or among a few
  Rows<std::uint8_t> quant_;     // [n] rows of screen_layout_, where they are screened
  Rows<float> approx_;           // [n of screens_, V rounded up to whole tiles]
  std::vector<Screen> screens_;  // of each row that is screened
  std::vector<Buffer<std::uint8_t>> scratch_;  // of each worker
  std::uint64_t n_bytes_ = 0;
};

}  // namespace ossnb
