#include "data/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace ossnb {

namespace {

// sin and cos of x >= 0 in double from IEEE operations alone, so that every machine gets the same bits:
// Cody-Waite reduction by pi/2 in three parts (33 bits each, so that k times the first two is exact for k <
// 2^20), then Taylor series that end below 1e-17 on |r| <= pi/4. fdlibm splits pi/2 the same way.
void sin_cos(double x, double* sin, double* cos) {
  constexpr double kPart1 = 1.57079632673412561417e+00, kPart2 = 6.07710050630396597660e-11,
                   kPart3 = 2.02226624879595063154e-21;
  const double k = std::nearbyint(x * (2 / std::numbers::pi));
  const double r = ((x - k * kPart1) - k * kPart2) - k * kPart3;
  const double r2 = r * r;
  double s = 0, c = 0;
  for (int n = 8; n >= 1;
       --n) {  // sin = r (1 - r2/(2*3) (1 - r2/(4*5) (...))), cos = 1 - r2/(1*2) (1 - r2/(3*4) (...))
    s = r2 / ((2 * n) * (2 * n + 1)) * (1 - s);
    c = r2 / ((2 * n - 1) * (2 * n)) * (1 - c);
  }
  s = r * (1 - s);
  c = 1 - c;
  switch (static_cast<long>(k) & 3) {
    case 0:
      *sin = s;
      *cos = c;
      break;
    case 1:
      *sin = c;
      *cos = -s;
      break;
    case 2:
      *sin = -s;
      *cos = -c;
      break;
    default:
      *sin = -c;
      *cos = s;
      break;
  }
}

}  // namespace

Rope::Rope(const Config& c) : inv_freq_(c.head_dim / 2) {
  const double half = c.head_dim / 2.0, log_theta = std::log(c.rope_theta);
  const double original = c.rope_original_max_position_embeddings;
  const auto boundary = [&](double beta) {
    return half * std::log(original / (beta * 2 * std::numbers::pi)) / log_theta;
  };
  const double low = boundary(c.rope_beta_fast), high = boundary(c.rope_beta_slow);
  for (int i = 0; i < static_cast<int>(half); ++i) {
    const double freq = std::pow(c.rope_theta, i / half);
    const double ramp = std::clamp((i - low) / (high - low), 0.0, 1.0);
    inv_freq_[i] = static_cast<float>((1 - ramp) / freq + ramp / (c.rope_factor * freq));
  }
  concentration_ = static_cast<float>(0.1 * std::log(c.rope_factor) + 1);
}

void Rope::angles(int position, float* cos, float* sin) const {
  for (int i = 0; i < half(); ++i) {
    // The reference implementations form this product in float32; at position 131071 a double differs by
    // 3e-3.
    const float angle = static_cast<float>(position) * inv_freq_[i];
    double s, c;
    sin_cos(angle, &s, &c);
    cos[i] = static_cast<float>(c) * concentration_;
    sin[i] = static_cast<float>(s) * concentration_;
  }
}

void rotate(float* x, int n_heads, int half, const float* cos, const float* sin) {
  for (int h = 0; h < n_heads; ++h, x += 2 * half) {
    for (int i = 0; i < half; ++i) {
      const float a = x[i], b = x[i + half];
      x[i] = a * cos[i] - b * sin[i];
      x[i + half] = b * cos[i] + a * sin[i];
    }
  }
}

}  // namespace ossnb
