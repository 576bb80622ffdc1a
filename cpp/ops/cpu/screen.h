// Approximations of one row's logits, each within a proven distance, before lm_head itself is read. And the
// race for the token, when they suffice.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "choice/choice.h"

namespace ossnb {

// Logit i, as lm_head's own product would give it, lies within radius(i) of approx[i]. The product of the Q6
// copy q of row w with the activations z, x in int8, differs from that of w with x
//   by (w - q) x + q (x - z), at most |w - q| |x| + |q| |x - z| (Cauchy and Schwarz),
//   and by both products' float32 rounding, at most gamma |w| |x| each (the sums have K / 16 steps, or K /
//   32).
// A NaN bounds nothing. Write each comparison so that a NaN keeps its row in the race.
struct Screen {
  float* approx = nullptr;        // [V]
  const float* norms = nullptr;   // [V, 2] |w - q| and |q| (Packed::q6_norms)
  double x_norm = 0, x_lost = 0;  // |x| and |x - z|
  double gamma = 0;

  double radius(int i) const {
    const double lost = norms[2 * i], kept = norms[2 * i + 1];
    const double r = lost * x_norm + kept * x_lost + 2 * gamma * (lost + kept) * (x_norm + x_lost);
    return r * (1 + 1e-6) + 1e-30;  // rounding of this function, and subnormal numbers
  }
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
