// The definition: plain scalar loops in the order that every other level reproduces bit for bit. Not fast,
// and not meant to be. Where a rounding matters it is written: fma() rounds once, * and + round each time,
// and the compiler is told to fuse nothing on its own (-ffp-contract=off).
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "kernels/constants.h"
#include "kernels/kernels.h"

namespace ossnb::kernels {
namespace {

// ((0+8)+(4+12)) ...: the order in which halving a 16-lane register adds.
float tree16(const float* lane) {
  float r[16];
  std::copy(lane, lane + 16, r);
  for (int half = 8; half >= 1; half /= 2) {
    for (int i = 0; i < half; ++i) r[i] = r[i] + r[i + half];
  }
  return r[0];
}

float dot_bf16(const bf16* w, const float* x, int k) {
  float lane[16] = {};
  for (int i = 0; i < k; ++i) lane[i % 16] = std::fma(bf16_to_f32(w[i]), x[i], lane[i % 16]);
  return tree16(lane);
}

void bf16_matmul(const bf16* w, int n_rows, int k, const float* x, std::size_t x_stride, int n_tokens,
                 float* y, std::size_t y_stride) {
  for (int t = 0; t < n_tokens; ++t) {
    for (int r = 0; r < n_rows; ++r) {
      y[t * y_stride + r] = dot_bf16(w + static_cast<std::size_t>(r) * k, x + t * x_stride, k);
    }
  }
}

void bf16_matmul_in_out(const bf16* w, std::size_t w_stride, int n_out, int k, const float* x,
                        std::size_t x_stride, const std::int32_t* rows, int n_tokens, float* y,
                        std::size_t y_stride) {
  for (int t = 0; t < n_tokens; ++t) {
    for (int o = 0; o < n_out; ++o) {
      float sum = 0;
      for (int i = 0; i < k; ++i)
        sum = std::fma(x[rows[t] * x_stride + i], bf16_to_f32(w[i * w_stride + o]), sum);
      y[t * y_stride + o] = sum;
    }
  }
}

void quantize(const float* x, int k, std::uint8_t* out) {
  const QuantLayout layout(k);
  std::memset(out, 0, layout.bytes);
  auto* lift = reinterpret_cast<std::int32_t*>(out + layout.lift_offset);
  auto* scale = reinterpret_cast<float*>(out + layout.scale_offset);
  for (int g = 0; g < layout.n_groups; ++g) {
    std::uint32_t largest = 0;  // bits of |x|, ordered as the magnitudes are
    for (int j = 0; j < kGroup; ++j) {
      largest = std::max(largest, std::bit_cast<std::uint32_t>(x[g * kGroup + j]) & 0x7fffffffu);
    }
    const std::int32_t exponent = std::max(static_cast<std::int32_t>(largest >> 23), kMinExponent);
    if (exponent == 255) {  // an infinity or a NaN: the group's result is NaN, as it would be in floats
      scale[g] = std::bit_cast<float>(0x7fc00000u);
      continue;
    }
    // |x| < 2^(exponent - 126), so |x| * to_int <= 2^22 and t0 <= 64.
    const float to_int = std::bit_cast<float>((kToIntBias - exponent) << 23);
    std::int32_t sum = 0;
    for (int j = 0; j < kGroup; ++j) {
      std::int32_t v = static_cast<std::int32_t>(std::lrintf(x[g * kGroup + j] * to_int));
      sum += v;
      auto* half = reinterpret_cast<std::int8_t*>(out) + (j & 1) * layout.half_stride + g * 16 + j / 2;
      half[2 * layout.term_stride] = static_cast<std::int8_t>(v);
      v = (v + 128) >> 8;  // what the lowest byte, read as signed, leaves
      half[layout.term_stride] = static_cast<std::int8_t>(v);
      v = (v + 128) >> 8;
      half[0] = static_cast<std::int8_t>(v);
    }
    lift[g] = -kLift * sum;
    scale[g] = std::bit_cast<float>((exponent - kScaleBias) << 23);
  }
}

float dot_mxfp4(const std::uint8_t* blocks, const std::uint8_t* scales, const std::uint8_t* x,
                const QuantLayout& layout) {
  const auto* scale = reinterpret_cast<const float*>(x + layout.scale_offset);
  float part[4] = {};  // groups 0, 4, 8, ... and 1, 5, 9, ... and so on
  for (int g = 0; g < layout.n_groups; ++g) {
    std::int32_t dot = 0;  // exact: |dot| <= 32 * 12 * 2^22 < 2^31
    for (int j = 0; j < kGroup; ++j) {
      const std::uint8_t byte = blocks[g * kGroupBytes + j / 2];
      const auto* half =
          reinterpret_cast<const std::int8_t*>(x) + (j & 1) * layout.half_stride + g * 16 + j / 2;
      const std::int32_t v = half[0] * 65536 + half[layout.term_stride] * 256 + half[2 * layout.term_stride];
      dot += kE2M1Twice[j & 1 ? byte >> 4 : byte & 15] * v;
    }
    part[g % 4] = std::fma(static_cast<float>(dot), e8m0_to_f32(scales[g]) * scale[g], part[g % 4]);
  }
  return (part[0] + part[1]) + (part[2] + part[3]);
}

void mxfp4_matmul(const std::uint8_t* blocks, const std::uint8_t* scales, int n_rows, int k, QuantRows x,
                  float* y, std::size_t y_stride, std::uint8_t*) {
  const QuantLayout layout(k);
  for (int t = 0; t < x.n; ++t) {
    for (int r = 0; r < n_rows; ++r) {
      const std::size_t group = static_cast<std::size_t>(r) * layout.n_groups;
      y[t * y_stride + r] =
          dot_mxfp4(blocks + group * kGroupBytes, scales + group, x.row(t, layout.bytes), layout);
    }
  }
}

void rms_norm(const float* x, const bf16* w, float eps, int n, float* y) {
  float lane[16] = {};
  for (int i = 0; i < n; ++i) lane[i % 16] = std::fma(x[i], x[i], lane[i % 16]);
  const float r = 1.0f / std::sqrt(tree16(lane) / static_cast<float>(n) + eps);
  for (int i = 0; i < n; ++i) y[i] = (x[i] * r) * bf16_to_f32(w[i]);
}

// exp(x) = 2^n exp(r), n the nearest integer to x / ln 2, |r| <= ln(2)/2; error below 2 units in the last
// place.
float exp1(float x) {
  if (!(x > kExpMin)) return 0.0f;  // a NaN too
  x = x < kExpMax ? x : kExpMax;
  const float n = std::nearbyint(x * kLog2E);
  float r = std::fma(n, -kLn2High, x);
  r = std::fma(n, -kLn2Low, r);
  float p = kExpPoly[0];
  for (int i = 1; i < 6; ++i) p = std::fma(p, r, kExpPoly[i]);
  p = std::fma(p, r * r, r) + 1.0f;
  return p * std::bit_cast<float>((static_cast<std::int32_t>(n) + 127) << 23);
}

void swiglu(const float* h, int n, float limit, float alpha, float* out) {
  for (int i = 0; i < n; ++i) {
    const float gate = h[2 * i] < limit ? h[2 * i] : limit;
    float up = h[2 * i + 1] < limit ? h[2 * i + 1] : limit;
    up = up > -limit ? up : -limit;
    out[i] = ((up + 1.0f) * gate) / (1.0f + exp1(-(alpha * gate)));
  }
}

void attend(const AttendArgs& a) {
  const int first_tile = a.first / kKeyTile, last_tile = a.last / kKeyTile;
  const int base = first_tile * kKeyTile;
  for (int h = 0; h < a.n_heads; ++h) {
    float* w = a.weights + static_cast<std::size_t>(h) * (last_tile - first_tile + 1) * kKeyTile;
    const float sink = bf16_to_f32(a.sinks[h]);
    float m = sink;
    for (int j = a.first; j <= a.last; ++j) {
      const float* tile =
          a.keys[j / a.block_tokens] + (j % a.block_tokens) / kKeyTile * (a.head_dim * kKeyTile);
      float dot = 0;
      for (int d = 0; d < a.head_dim; ++d)
        dot = std::fma(a.q[h * a.head_dim + d], tile[d * kKeyTile + j % kKeyTile], dot);
      w[j - base] = dot * a.scale;
      m = w[j - base] > m ? w[j - base] : m;
    }
    float lane[16] = {};  // of the softmax sum: lane = key position mod 16
    for (int j = a.first; j <= a.last; ++j) {
      w[j - base] = exp1(w[j - base] - m);
      lane[j % 16] = lane[j % 16] + w[j - base];
    }
    const float sum = tree16(lane) + exp1(sink - m);
    float* out = a.out + h * a.head_dim;
    for (int d = 0; d < a.head_dim; ++d) {
      float acc = 0;
      for (int j = a.first; j <= a.last; ++j) {
        acc = std::fma(w[j - base], a.values[j / a.block_tokens][(j % a.block_tokens) * a.head_dim + d], acc);
      }
      out[d] = acc / sum;
    }
  }
}

void exp(const float* x, int n, float* y) {
  for (int i = 0; i < n; ++i) y[i] = exp1(x[i]);
}

float sum_exp(const float* x, int n, float shift) {
  float lane[16] = {};
  for (int i = 0; i < n; ++i) lane[i % 16] = lane[i % 16] + exp1(x[i] - shift);
  return tree16(lane);
}

double int8_peak(long n) {
  std::int32_t acc[8] = {};
  for (long i = 0; i < n; ++i) {
    for (int j = 0; j < 8; ++j) {
      acc[j] += 3 * static_cast<std::int8_t>(i);
      asm volatile("" : "+r"(acc[j]));
    }
  }
  return 16.0;
}

}  // namespace

const Table& reference() {
  static const Table table = {
      "reference", bf16_matmul, bf16_matmul_in_out, quantize, mxfp4_matmul, rms_norm, swiglu, attend,
      exp,         sum_exp,     int8_peak};
  return table;
}

}  // namespace ossnb::kernels
