// Approximations of one row's logits, each within a proven distance, before lm_head itself is read. And the
// race for the token, when they suffice.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "choice/bounds.h"
#include "choice/choice.h"

namespace ossnb {

// One row's approximations.
struct Screen {
  float* approx = nullptr;       // [V]
  const float* norms = nullptr;  // [V, 2] |w - q| and |q| (Packed::q6_norms)
  LogitBounds bounds;

  double radius(int i) const { return bounds.radius(norms[2 * i], norms[2 * i + 1]); }
  double low(int i) const { return approx[i] - radius(i); }
  double high(int i) const { return approx[i] + radius(i); }
};

// The true logits of a few rows.
using Rescore = std::function<void(const std::int32_t* rows, int n, float* logits)>;

// The token that choose_from() chooses, from bounds of the logits and the true logits of the rows that can
// still win. Nothing when these rows are too many for that to pay, or a number is not finite. The function
// marks tokens in the screen that the mask does not allow. Only for samplers that do not need_all_logits().
std::optional<std::int32_t> race(Screen& screen, const Chooser& chooser, const Rescore& rescore);

}  // namespace ossnb
