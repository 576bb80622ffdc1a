// What is known of one row's logits before lm_head itself is read: each within a proven distance.
#pragma once

#include <vector>

namespace ossnb {

// Logit i, as lm_head's own product would give it, lies within radius(i) of approx[i]. The product of the Q6
// copy q of row w with the activations z, x in int8, differs from that of w with x
//   by (w - q) x + q (x - z), at most |w - q| |x| + |q| |x - z| (Cauchy and Schwarz),
//   and by both products' float32 rounding, at most gamma |w| |x| each (the sums have K / 16 steps, or K /
//   32).
// A NaN bounds nothing: compare so that it keeps its row in the race.
struct Screen {
  std::vector<float> x;           // [D] the normed row
  std::vector<float> approx;      // [V, rounded up to whole tiles]
  const float* norms = nullptr;   // [V, 2] |w - q| and |q| (Packed::q6_norms)
  double x_norm = 0, x_lost = 0;  // |x| and |x - z|
  double gamma = 0;

  double radius(int i) const {
    const double lost = norms[2 * i], kept = norms[2 * i + 1];
    const double r = lost * x_norm + kept * x_lost + 2 * gamma * (lost + kept) * (x_norm + x_lost);
    return r * (1 + 1e-6) + 1e-30;  // what rounds in here, and numbers too small for float32's grid
  }
};

}  // namespace ossnb
