// Proven distances: of a logit from its approximation, and of scores that surely lose.
#pragma once

#include "base/both.h"

namespace ossnb {

// Logit i, as lm_head's own product would give it, lies within radius() of its approximation. The product of
// the Q6 copy q of row w with the activations z, x in int8, differs from that of w with x
//   by (w - q) x + q (x - z), at most |w - q| |x| + |q| |x - z| (Cauchy and Schwarz),
//   and by both products' float32 rounding, at most gamma |w| |x| each (the sums have K / 16 steps, or K /
//   32).
// A NaN bounds nothing. Write each comparison so that a NaN keeps its row in the race.
struct LogitBounds {
  double x_norm = 0, x_lost = 0;  // |x| and |x - z|
  double gamma = 0;

  // Of a row with |w - q| and |q| (Packed::q6_norms).
  OSSNB_BOTH double radius(double lost, double kept) const {
    const double r = lost * x_norm + kept * x_lost + 2 * gamma * (lost + kept) * (x_norm + x_lost);
    return r * (1 + 1e-6) + 1e-30;  // rounding of this function, and subnormal numbers
  }
  static constexpr double gamma_of(int width) { return (width / 16 + 8) * 0x1p-24 * 1.01; }
};

// A score that surely loses to `reached`, where `top` is the largest logit and `inverse` one over the
// temperature. The margin is more than the rounding of a score's few operations and of Sampler::draw().
OSSNB_BOTH inline double losing_score(double reached, double top, double inverse) {
  const auto magnitude = [](double v) { return v < 0 ? -v : v; };
  return reached - 1e-9 * (1 + magnitude(reached)) - 1e-14 * (1 + magnitude(top)) * inverse;
}

}  // namespace ossnb
