// Rotary position embedding with YaRN, as gpt-oss uses it: always on, not truncated.
#pragma once

#include <vector>

#include "data/config.h"

namespace ossnb {

class Rope {
 public:
  explicit Rope(const Config& config);
  int half() const { return static_cast<int>(inv_freq_.size()); }
  // cos and sin of position * inv_freq, times YaRN's attention factor; each [head_dim / 2].
  void angles(int position, float* cos, float* sin) const;

 private:
  std::vector<float> inv_freq_;  // [head_dim / 2]
  float concentration_;
};

// Rotates each head of x [n_heads, 2 * half] in place: pairs are (i, i + half).
void rotate(float* x, int n_heads, int half, const float* cos, const float* sin);

}  // namespace ossnb
