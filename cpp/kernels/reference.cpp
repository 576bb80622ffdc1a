// The definition: plain scalar loops in the order that every other level reproduces bit for bit. It is not
// meant to be fast. Where a rounding matters it is written: fma() rounds once, * and + round each time, and
// the compiler is told to fuse nothing on its own (-ffp-contract=off).
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

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

void bf12_matmul(const Bf12& w, int row, int n_rows, int k, const float* x, std::size_t x_stride,
                 int n_tokens, float* y, std::size_t y_stride) {
  std::vector<bf16> rows(static_cast<std::size_t>(n_rows) * k);
  for (int r = 0; r < n_rows; ++r) {
    const int in_tile = (row + r) % kBf12Rows;
    const std::uint8_t* tile = w.tiles + (row + r) / kBf12Rows * bf12_tile_bytes(k);
    for (int i = 0; i < k; ++i) {
      const int place = bf12_place(i % kGroup);
      const std::uint8_t* group = tile + i / kGroup * kBf12Group;
      const std::uint8_t two = group[kBf12Rows * kGroup + in_tile * kGroup / 2 + place % 16];
      const std::uint8_t high = w.high[place < 16 ? two & 15 : two >> 4];
      rows[static_cast<std::size_t>(r) * k + i] =
          static_cast<bf16>(high << 8 | group[in_tile * kGroup + place]);
    }
  }
  for (const Bf12::Rare* rare = w.rare_from(row, k); rare != w.rare + w.n_rare; ++rare) {
    const std::uint32_t at = rare->at - static_cast<std::uint32_t>(row) * k, input = at / kBf12Rows;
    const int r = static_cast<int>(input / k) * kBf12Rows + static_cast<int>(at % kBf12Rows);
    if (r >= n_rows) continue;
    rows[static_cast<std::size_t>(r) * k + input % k] = static_cast<bf16>(rare->value);
  }
  bf16_matmul(rows.data(), n_rows, k, x, x_stride, n_tokens, y, y_stride);
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

// The squared loss, in units, when x[j] * to_int are rounded to integers.
float rounding_loss(const float* x, float to_int) {
  float lane[16];
  for (int j = 0; j < kGroup; ++j) {
    const float v = x[j] * to_int, e = v - std::nearbyint(v);
    lane[j % 16] = j < 16 ? e * e : std::fma(e, e, lane[j % 16]);
  }
  return tree16(lane);
}

// Stores integers v[32] of a group in the terms of the layout.
void store_group(const std::int32_t* v, int g, const QuantLayout& layout, std::uint8_t* out) {
  std::int32_t sum = 0;
  for (int j = 0; j < kGroup; ++j) {
    auto* half = reinterpret_cast<std::int8_t*>(out) + (j & 1) * layout.half_stride + g * 16 + j / 2;
    std::int32_t rest = v[j];
    for (int term = layout.n_terms - 1; term >= 0; --term) {
      half[term * layout.term_stride] = static_cast<std::int8_t>(rest);
      rest = (rest + 128) >> 8;  // the rest after the lowest byte, read as signed
    }
    sum += v[j];
  }
  reinterpret_cast<std::int32_t*>(out + layout.sum_offset)[g] = -sum;
}

template <Terms terms>
void quantize(const float* x, int k, std::uint8_t* out) {
  const QuantLayout layout(k, terms);
  std::memset(out, 0, layout.bytes);
  auto* scale = reinterpret_cast<float*>(out + layout.scale_offset);
  for (int g = 0; g < layout.n_groups; ++g) {
    std::uint32_t bits = 0;  // of the largest |x|; bits have the order of magnitudes
    for (int j = 0; j < kGroup; ++j)
      bits = std::max(bits, std::bit_cast<std::uint32_t>(x[g * kGroup + j]) & 0x7fffffffu);
    const std::int32_t exponent = std::max(static_cast<std::int32_t>(bits >> 23), kMinExponent);
    if (exponent == 255) {  // an infinity or a NaN: the group's result is NaN, as it would be in floats
      scale[g] = std::bit_cast<float>(0x7fc00000u);
      continue;
    }
    float to_int;
    if (terms == Terms::three) {
      // |x| < 2^(exponent - 126), so |x| * to_int <= 2^22 and the first term is at most 64.
      to_int = std::bit_cast<float>((kToIntBias - exponent) << 23);
      scale[g] = std::bit_cast<float>((exponent - kScaleBias) << 23);
    } else {
      const float largest = std::max(std::bit_cast<float>(bits), kSmallestLargest);
      int best_top = kTop;
      float best = std::numeric_limits<float>::infinity();
      for (int top = kTop; top >= kLeastTop; --top) {
        const float loss = rounding_loss(x + g * kGroup, top / largest) / static_cast<float>(top * top);
        if (loss < best) {
          best = loss;
          best_top = top;
        }
      }
      to_int = best_top / largest;
      scale[g] = largest / static_cast<float>(2 * best_top);
    }
    std::int32_t v[kGroup];
    for (int j = 0; j < kGroup; ++j)
      v[j] = static_cast<std::int32_t>(std::lrintf(x[g * kGroup + j] * to_int));
    store_group(v, g, layout, out);
  }
}

// Integer v of input j of group g.
std::int32_t stored(const std::uint8_t* x, int g, int j, const QuantLayout& layout) {
  const auto* half = reinterpret_cast<const std::int8_t*>(x) + (j & 1) * layout.half_stride + g * 16 + j / 2;
  std::int32_t v = 0;
  for (int term = 0; term < layout.n_terms; ++term) v = v * 256 + half[term * layout.term_stride];
  return v;
}

float dot_mxfp4(const std::uint8_t* blocks, const std::uint8_t* scales, const std::uint8_t* x,
                const QuantLayout& layout) {
  const auto* scale = reinterpret_cast<const float*>(x + layout.scale_offset);
  float part[4] = {};  // groups 0, 4, 8, ... and 1, 5, 9, ... and so on
  for (int g = 0; g < layout.n_groups; ++g) {
    std::int32_t dot = 0;  // exact: |dot| <= 32 * 12 * 2^22 < 2^31
    for (int j = 0; j < kGroup; ++j) {
      const std::uint8_t byte = blocks[g * kGroupBytes + j / 2];
      dot += kE2M1Twice[j & 1 ? byte >> 4 : byte & 15] * stored(x, g, j, layout);
    }
    part[g % 4] = std::fma(static_cast<float>(dot), e8m0_to_f32(scales[g]) * scale[g], part[g % 4]);
  }
  return (part[0] + part[1]) + (part[2] + part[3]);
}

template <Terms terms>
void mxfp4_matmul(const std::uint8_t* blocks, const std::uint8_t* scales, int n_rows, int k, QuantRows x,
                  float* y, std::size_t y_stride, std::uint8_t*) {
  const QuantLayout layout(k, terms);
  for (int t = 0; t < x.n; ++t) {
    for (int r = 0; r < n_rows; ++r) {
      const std::size_t group = static_cast<std::size_t>(r) * layout.n_groups;
      y[t * y_stride + r] =
          dot_mxfp4(blocks + group * kGroupBytes, scales + group, x.row(t, layout.bytes), layout);
    }
  }
}

// Chooses the codes and scales of a tile, codes at most kCodeTop in magnitude: store(codes, scale, group,
// row).
template <int kCodeTop, class Store>
void pack_tile(const bf16* w, int n_rows, int k, Store store) {
  for (int r = 0; r < kQ8Rows; ++r) {
    for (int g = 0; g < k / kGroup; ++g) {
      float x[kGroup] = {}, largest = 0;
      for (int j = 0; j < kGroup && r < n_rows; ++j) {
        x[j] = bf16_to_f32(w[static_cast<std::size_t>(r) * k + g * kGroup + j]);
        largest = std::max(largest, std::fabs(x[j]));
      }
      // Rounded up to bf16, so that no code passes the top; stored doubled, since activations carry half
      // their unit.
      const auto bits = std::bit_cast<std::uint32_t>(largest / (kCodeTop / 2.0f));
      const bf16 least = static_cast<bf16>((bits + 0xffff) >> 16);
      bf16 twice = least;
      float best = std::numeric_limits<float>::infinity();
      for (int i = 0; i < kWeightScales && largest > kSmallestLargest; ++i) {
        const bf16 wider = static_cast<bf16>(least + i);
        const float ratio = bf16_to_f32(wider) / bf16_to_f32(least);
        const float loss = rounding_loss(x, 2.0f / bf16_to_f32(wider)) * (ratio * ratio);
        if (loss < best) {
          best = loss;
          twice = wider;
        }
      }
      const float to_code = largest > kSmallestLargest ? 2.0f / bf16_to_f32(twice) : 0.0f;
      std::int32_t codes[kGroup];
      for (int j = 0; j < kGroup; ++j) codes[j] = static_cast<std::int32_t>(std::lrintf(x[j] * to_code));
      store(codes, twice, g, r);
    }
  }
}

#include "kernels/pack-inl.h"

float dot_q8(const std::uint8_t* tile, int r, const std::uint8_t* x, const QuantLayout& layout) {
  const auto* x_scale = reinterpret_cast<const float*>(x + layout.scale_offset);
  const auto* w_scale =
      reinterpret_cast<const bf16*>(tile + static_cast<std::size_t>(layout.n_groups) * kQ8Rows * kGroup);
  float sum = 0;
  for (int g = 0; g < layout.n_groups; ++g) {
    std::int32_t dot = 0;
    for (int j = 0; j < kGroup; ++j) {
      const int word = (j & 1) * 4 + j / 8, byte = j / 2 % 4;
      dot += (tile[((g * 8 + word) * kQ8Rows + r) * 4 + byte] - kQ8Lift) * stored(x, g, j, layout);
    }
    sum = std::fma(static_cast<float>(dot), bf16_to_f32(w_scale[g * kQ8Rows + r]) * x_scale[g], sum);
  }
  return sum;
}

void q8_matmul(const std::uint8_t* tiles, int n_rows, int k, QuantRows x, float* y, std::size_t y_stride,
               std::uint8_t*) {
  const QuantLayout layout(k, Terms::one);
  for (int t = 0; t < x.n; ++t) {
    for (int r = 0; r < n_rows; ++r) {
      y[t * y_stride + r] =
          dot_q8(tiles + r / kQ8Rows * q8_tile_bytes(k), r % kQ8Rows, x.row(t, layout.bytes), layout);
    }
  }
}

// The code of input j of row r.
int q6_code(const std::uint8_t* group, int r, int j) {
  constexpr int kWord = kQ8Rows * 4;
  const int word = j / 8, odd = j & 1;
  const std::uint8_t* at = group + r * 4 + j / 2 % 4;
  const int low = at[word * kWord] >> (4 * odd) & 15, upper = at[(4 + odd) * kWord] >> (2 * word) & 3;
  return (upper << 4 | low) - kQ6Lift;
}

void q6_matmul(const std::uint8_t* tiles, int n_rows, int k, QuantRows x, float* y, std::size_t y_stride,
               std::uint8_t*) {
  const QuantLayout layout(k, Terms::one);
  for (int t = 0; t < x.n; ++t) {
    const std::uint8_t* xt = x.row(t, layout.bytes);
    const auto* x_scale = reinterpret_cast<const float*>(xt + layout.scale_offset);
    for (int r = 0; r < n_rows; ++r) {
      const std::uint8_t* tile = tiles + r / kQ8Rows * q6_tile_bytes(k);
      float sum = 0;
      for (int g = 0; g < layout.n_groups; ++g) {
        const std::uint8_t* group = tile + static_cast<std::size_t>(g) * kQ6Group;
        const bf16 scale = reinterpret_cast<const bf16*>(group + kQ6Codes)[r % kQ8Rows];
        std::int32_t dot = 0;
        for (int j = 0; j < kGroup; ++j) dot += q6_code(group, r % kQ8Rows, j) * stored(xt, g, j, layout);
        sum = std::fma(static_cast<float>(dot), bf16_to_f32(scale) * x_scale[g], sum);
      }
      y[t * y_stride + r] = sum;
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

// A number of a key or a value, and the place of its scale.
float kept(const AttendArgs& a, const std::byte* part, std::size_t at, int slot) {
  if (a.format == KvFormat::float32) return reinterpret_cast<const float*>(part)[at];
  if (a.format == KvFormat::bf16) return bf16_to_f32(reinterpret_cast<const bf16*>(part)[at]);
  const float scale = reinterpret_cast<const float*>(part + a.part().scales_at())[slot];
  return static_cast<float>(reinterpret_cast<const std::int8_t*>(part)[at]) * scale;
}

float key(const AttendArgs& a, int j, int d) {
  const int slot = j % a.block_tokens;
  return kept(a, a.keys[j / a.block_tokens],
              (static_cast<std::size_t>(slot / kKeyTile) * a.head_dim + d) * kKeyTile + slot % kKeyTile,
              slot);
}

float value(const AttendArgs& a, int j, int d) {
  const int slot = j % a.block_tokens;
  return kept(a, a.values[j / a.block_tokens], static_cast<std::size_t>(slot) * a.head_dim + d, slot);
}

void attend_one(const AttendArgs& a, const float* q, int first, int last, float sink, float* out) {
  const int base = first / kKeyTile * kKeyTile;
  float *w = a.scratch, m = sink;
  for (int j = first; j <= last; ++j) {
    float dot = 0;
    for (int d = 0; d < a.head_dim; ++d) dot = std::fma(q[d], key(a, j, d), dot);
    w[j - base] = dot * a.scale;
    m = w[j - base] > m ? w[j - base] : m;
  }
  // Both sums are made piece by piece. The total begins as the first piece that is seen; the others are added
  // to it.
  float sum = 0;
  for (int from = first; from <= last; from = piece_end(from)) {
    float lane[16] = {};  // lane = key position mod 16
    for (int j = from; j < std::min(piece_end(from), last + 1); ++j) {
      w[j - base] = exp1(w[j - base] - m);
      lane[j % 16] = lane[j % 16] + w[j - base];
    }
    sum = from == first ? tree16(lane) : sum + tree16(lane);
  }
  sum = sum + exp1(sink - m);
  for (int d = 0; d < a.head_dim; ++d) {
    float total = 0;
    for (int from = first; from <= last; from = piece_end(from)) {
      float acc = 0;
      for (int j = from; j < std::min(piece_end(from), last + 1); ++j) {
        acc = std::fma(w[j - base], value(a, j, d), acc);
      }
      total = from == first ? acc : total + acc;
    }
    out[d] = total / sum;
  }
}

void attend(const AttendArgs& a) {
  for (int i = 0; i < a.n_queries; ++i) {
    for (int h = 0; h < a.n_heads; ++h) {
      const std::size_t at = i * a.stride + h * a.head_dim;
      attend_one(a, a.q + at, a.first(i), a.last + i, bf16_to_f32(a.sinks[h]), a.out + at);
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

constexpr char kName[] = "reference";
#include "kernels/level_table-inl.h"

}  // namespace

const Table& reference() { return kTable; }

}  // namespace ossnb::kernels
