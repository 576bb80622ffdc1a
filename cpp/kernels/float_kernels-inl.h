// The float32 kernels, written once over V, sixteen float lanes, and compiled into each level's namespace:
// one AVX-512 register, two AVX2 registers or four NEON registers hold the same sixteen numbers and do the
// same operations on them, so the levels are equal by construction. Included inside a target region and a
// namespace that defines V:
//   V::zero() set1(f) load(p) load_bf16(p) store(p, v) fma(a, b, c) add sub mul div min max
//   V::nearest(a) store_nearest_int(p, a) pow2(n) greater_or_zero(x, limit, v)
//   V::tree(v), which adds lanes i and i + 8, then i and i + 4, i + 2, i + 1
//   V::Part, one register of kPartLanes lanes: zero() load(p) load_bf16(p) store(p, v) fma(a, b, c)
//   Bf12Widener(table), whose widen(low, pointers) makes a group's 32 floats (kernels.h)
// and how much fits its registers: kSums sums at once; kRows by kTokens of a matmul; kHeads of attention,
// kWidth V of each one's output. kPrefetchBf16 is in elements ahead, kPrefetchBf12 in bytes. No include
// guard: it is meant to be included once in each level's file.

// Calls body.operator()<N>(t) for steps of N tokens, N at most kMost and all about the same, until all n are
// served.
template <int kMost, class Body>
static inline void for_steps(int n, Body body) {
  for (int t = 0, steps = (n + kMost - 1) / kMost; steps > 0; --steps) {
    const int step = (n - t + steps - 1) / steps;
    [&]<int... I>(std::integer_sequence<int, I...>) {
      ((step == I + 1 ? body.template operator()<I + 1>(t) : void()), ...);
    }(std::make_integer_sequence<int, kMost>());
    t += step;
  }
}

static inline V::Part load_weights(const bf16* w) { return V::Part::load_bf16(w); }
static inline V::Part load_weights(const float* w) { return V::Part::load(w); }

// n elements of R rows of weights, bf16 or widened, by N tokens, added to sums [R, N, 16]. Lanes never meet
// before the end, so a level whose sixteen lanes take several registers may walk one part of them after the
// other: that leaves registers for more rows and tokens, and more products for each load.
template <int R, int N, class W>
static inline void dense_tile(const W* w, std::size_t w_stride, int n, const float* x, std::size_t x_stride,
                              float* sums) {
  using Part = V::Part;
  constexpr int kParts = kLanes / V::kPartLanes, kTogether = R * N * kParts <= kSums ? kParts : 1;
  for (int p0 = 0; p0 < kParts; p0 += kTogether) {
    Part sum[kTogether][R][N];
    const auto each = [&](auto body) {
#pragma GCC unroll 4
      for (int p = 0; p < kTogether; ++p) {
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
          for (int t = 0; t < N; ++t)
            body(sum[p][r][t], sums + (r * N + t) * kLanes + (p0 + p) * V::kPartLanes);
        }
      }
    };
    each([](Part& s, const float* at) { s = Part::load(at); });
    for (int i = 0; i < n; i += kLanes) {
      if (std::is_same_v<W, bf16> && N == 1 && p0 == 0) {
        for (int r = 0; r < R; ++r) __builtin_prefetch(w + r * w_stride + i + kPrefetchBf16);
      }
#pragma GCC unroll 4
      for (int p = 0; p < kTogether; ++p) {
        const int at = i + (p0 + p) * V::kPartLanes;
        Part xs[N];
#pragma GCC unroll 8
        for (int t = 0; t < N; ++t) xs[t] = Part::load(x + t * x_stride + at);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
          const Part wr = load_weights(w + r * w_stride + at);
#pragma GCC unroll 8
          for (int t = 0; t < N; ++t) sum[p][r][t] = Part::fma(wr, xs[t], sum[p][r][t]);
        }
      }
    }
    each([](Part& s, float* at) { Part::store(at, s); });
  }
}

// A block of weights is widened once for several steps of tokens, at most this many, because widening takes
// the same ports as multiplying.
constexpr int kTokenSteps = 8, kBlockK = 512;

// The sums of R rows by n tokens, at most kTokenSteps steps of at most kTokens.
template <int R>
struct RowSums {
  alignas(64) float lanes[kTokenSteps * kTokens * R * kLanes];
  int n;

  explicit RowSums(int n_tokens) : n(n_tokens) { std::fill_n(lanes, n * R * kLanes, 0.0f); }

  // Adds the products of inputs `start` .. `end`, whose weights widen(start, n_k, wide) brings to wide [R,
  // kBlockK], block by block.
  template <class Widen>
  void add_widened(int start, int end, const float* x, std::size_t x_stride, Widen&& widen) {
    for (; start < end; start += kBlockK) {
      alignas(64) float wide[R * kBlockK];
      const int n_k = std::min(kBlockK, end - start);
      widen(start, n_k, wide);
      for_steps<kTokens>(n, [&]<int N>(int t) {
        dense_tile<R, N>(wide, kBlockK, n_k, x + t * x_stride + start, x_stride, lanes + t * R * kLanes);
      });
    }
  }

  void store(int n_rows, float* y, std::size_t y_stride) const {
    for_steps<kTokens>(n, [&]<int N>(int t0) {
      for (int r = 0; r < n_rows; ++r) {
        for (int t = 0; t < N; ++t)
          y[(t0 + t) * y_stride + r] = V::tree(V::load(lanes + (t0 * R + r * N + t) * kLanes));
      }
    });
  }
};

template <int R>
static inline void bf16_rows(const bf16* w, int k, const float* x, std::size_t x_stride, int n, float* y,
                             std::size_t y_stride) {
  RowSums<R> sums(n);
  if (n <= kTokens) {
    for_steps<kTokens>(n, [&]<int N>(int) { dense_tile<R, N>(w, k, k, x, x_stride, sums.lanes); });
  } else {
    sums.add_widened(0, k, x, x_stride, [&](int start, int n_k, float* wide) {
      for (int r = 0; r < R; ++r) {
        const bf16* row = w + static_cast<std::size_t>(r) * k + start;
        for (int i = 0; i < n_k; i += kLanes) V::store(wide + r * kBlockK + i, V::load_bf16(row + i));
      }
    });
  }
  sums.store(R, y, y_stride);
}

static void bf16_matmul(const bf16* w, int n_rows, int k, const float* x, std::size_t x_stride, int n_tokens,
                        float* y, std::size_t y_stride) {
  // Tokens are taken in panels that stay in the second-level cache while all rows pass by.
  constexpr int kPanel = kTokenSteps * kTokens;
  for (int t = 0; t < n_tokens; t += kPanel) {
    const int n = std::min(kPanel, n_tokens - t);
    const float* xp = x + t * x_stride;
    float* yp = y + t * y_stride;
    int r = 0;
    for (; r + kRows <= n_rows; r += kRows)
      bf16_rows<kRows>(w + static_cast<std::size_t>(r) * k, k, xp, x_stride, n, yp + r, y_stride);
    for (; r < n_rows; ++r)
      bf16_rows<1>(w + static_cast<std::size_t>(r) * k, k, xp, x_stride, n, yp + r, y_stride);
  }
}

#include "kernels/bf12-inl.h"

template <int N>
static inline void bf16_in_out_tile(const bf16* w, std::size_t w_stride, int k, const float* const* x,
                                    float* const* y) {
  V sum[N][2];
  for (int t = 0; t < N; ++t) sum[t][0] = sum[t][1] = V::zero();
  for (int i = 0; i < k; ++i) {
    const V w0 = V::load_bf16(w + i * w_stride), w1 = V::load_bf16(w + i * w_stride + kLanes);
    for (int t = 0; t < N; ++t) {
      const V xt = V::set1(x[t][i]);
      sum[t][0] = V::fma(xt, w0, sum[t][0]);
      sum[t][1] = V::fma(xt, w1, sum[t][1]);
    }
  }
  for (int t = 0; t < N; ++t) {
    V::store(y[t], sum[t][0]);
    V::store(y[t] + kLanes, sum[t][1]);
  }
}

// n_out is a multiple of 32: both of an expert's widths are.
static void bf16_matmul_in_out(const bf16* w, std::size_t w_stride, int n_out, int k, const float* x,
                               std::size_t x_stride, const std::int32_t* rows, int n_tokens, float* y,
                               std::size_t y_stride) {
  for (int o = 0; o < n_out; o += 2 * kLanes) {
    for (int t = 0; t < n_tokens; t += 4) {
      const float* xs[4];
      float* ys[4];
      const int n = std::min(4, n_tokens - t);
      for (int i = 0; i < n; ++i) {
        xs[i] = x + rows[t + i] * x_stride;
        ys[i] = y + (t + i) * y_stride + o;
      }
      switch (n) {
        case 1:
          bf16_in_out_tile<1>(w + o, w_stride, k, xs, ys);
          break;
        case 2:
          bf16_in_out_tile<2>(w + o, w_stride, k, xs, ys);
          break;
        case 3:
          bf16_in_out_tile<3>(w + o, w_stride, k, xs, ys);
          break;
        default:
          bf16_in_out_tile<4>(w + o, w_stride, k, xs, ys);
          break;
      }
    }
  }
}

static void rms_norm(const float* x, const bf16* w, float eps, int n, float* y) {
  V sum = V::zero();
  for (int i = 0; i < n; i += kLanes) {
    const V v = V::load(x + i);
    sum = V::fma(v, v, sum);
  }
  const V r = V::set1(1.0f / std::sqrt(V::tree(sum) / static_cast<float>(n) + eps));
  for (int i = 0; i < n; i += kLanes) V::store(y + i, V::mul(V::mul(V::load(x + i), r), V::load_bf16(w + i)));
}

static inline V exp16(V x) {
  const V clamped = V::min(x, V::set1(kExpMax));
  const V n = V::nearest(V::mul(clamped, V::set1(kLog2E)));
  V r = V::fma(n, V::set1(-kLn2High), clamped);
  r = V::fma(n, V::set1(-kLn2Low), r);
  V p = V::set1(kExpPoly[0]);
  for (int i = 1; i < 6; ++i) p = V::fma(p, r, V::set1(kExpPoly[i]));
  p = V::add(V::fma(p, V::mul(r, r), r), V::set1(1.0f));
  return V::greater_or_zero(x, V::set1(kExpMin), V::mul(p, V::pow2(n)));
}

// Calls body(pointer to 16 floats of x padded with `pad`, how many are real, offset) for all of x.
template <class Body>
static inline void for_lanes(const float* x, int n, float pad, Body body) {
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) body(V::load(x + i), kLanes, i);
  if (i < n) {
    alignas(64) float tail[kLanes];
    for (int j = 0; j < kLanes; ++j) tail[j] = i + j < n ? x[i + j] : pad;
    body(V::load(tail), n - i, i);
  }
}

static void exp(const float* x, int n, float* y) {
  for_lanes(x, n, 0.0f, [&](V v, int m, int at) {
    alignas(64) float e[kLanes];
    V::store(e, exp16(v));
    for (int j = 0; j < m; ++j) y[at + j] = e[j];
  });
}

static float sum_exp(const float* x, int n, float shift) {
  V sum = V::zero();
  const V s = V::set1(shift);
  for_lanes(x, n, -std::numeric_limits<float>::infinity(),
            [&](V v, int, int) { sum = V::add(sum, exp16(V::sub(v, s))); });
  return V::tree(sum);
}

static void swiglu(const float* h, int n, float limit, float alpha, float* out) {
  const V top = V::set1(limit), bottom = V::set1(-limit), one = V::set1(1.0f);
  const auto sixteen = [&](const float* pairs, float* to) {
    V gate, up;
    V::load_pairs(pairs, gate, up);
    gate = V::min(gate, top);
    up = V::max(V::min(up, top), bottom);
    const V e = exp16(V::sub(V::zero(), V::mul(V::set1(alpha), gate)));
    V::store(to, V::div(V::mul(V::add(up, one), gate), V::add(one, e)));
  };
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) sixteen(h + 2 * i, out + i);
  if (i == n) return;
  alignas(64) float pairs[2 * kLanes] = {}, last[kLanes];
  std::copy(h + 2 * i, h + 2 * n, pairs);
  sixteen(pairs, last);
  std::copy_n(last, n - i, out + i);
}

// The squared loss, in units, of a group's numbers times each of up to eight factors, when they are rounded
// to integers. losses has room for eight.
template <int kFactors>
static inline void rounding_losses(V lo, V hi, const float* to_int, float* losses) {
  static_assert(kFactors <= 8);
  V lane[8];
  for (int i = kFactors; i < 8; ++i) lane[i] = V::zero();
#pragma GCC unroll 8
  for (int i = 0; i < kFactors; ++i) {
    const V f = V::set1(to_int[i]);
    const V a = V::mul(lo, f), b = V::mul(hi, f);
    const V ea = V::sub(a, V::nearest(a)), eb = V::sub(b, V::nearest(b));
    lane[i] = V::fma(eb, eb, V::mul(ea, ea));
  }
  V::trees(lane, losses);
}

// The tops that are candidates for a scale. The places behind them are not looked at.
static_assert(kTop - kLeastTop == 7);
static constexpr std::array<float, kLanes> kTops = {
    kTop, kTop - 1, kTop - 2, kTop - 3, kTop - 4, kTop - 5, kTop - 6, kTop - 7, 1, 1, 1, 1, 1, 1, 1, 1};

// The factor that turns a group into integers of one term, with the top that loses least. And the group's
// scale.
static inline float best_factor(const float* xs, float largest, float* scale) {
  alignas(64) float factors[kLanes], losses[kLanes] = {};
  const V tops = V::load(kTops.data());
  V::store(factors, V::div(tops, V::set1(largest)));
  rounding_losses<kTop - kLeastTop + 1>(V::load(xs), V::load(xs + kLanes), factors, losses);
  V::store(losses, V::div(V::load(losses), V::mul(tops, tops)));
  int best = 0;
  for (int i = 1; i <= kTop - kLeastTop; ++i) best = losses[i] < losses[best] ? i : best;
  *scale = largest / static_cast<float>(2 * (kTop - best));
  return factors[best];
}

// Activations to int8 terms. Three walks over the groups: in one, each group would wait for its own
// divisions.
template <Terms terms>
static void quantize(const float* x, int k, std::uint8_t* out) {
  const QuantLayout layout(k, terms);
  auto* sums = reinterpret_cast<std::int32_t*>(out + layout.sum_offset);
  auto* scale = reinterpret_cast<float*>(out + layout.scale_offset);
  // The factor to integers stands in the place of the sum until the sum is known. It is 0 where a number is
  // not finite.
  const auto keep = [&](int g, float factor) { sums[g] = std::bit_cast<std::int32_t>(factor); };
  const auto kept = [&](int g) { return std::bit_cast<float>(sums[g]); };
  for (int g = 0; g < layout.n_groups; ++g) {
    std::uint32_t bits = 0;
    for (int j = 0; j < kGroup; ++j)
      bits = std::max(bits, std::bit_cast<std::uint32_t>(x[g * kGroup + j]) & 0x7fffffffu);
    const std::int32_t exponent = std::max(static_cast<std::int32_t>(bits >> 23), kMinExponent);
    if (exponent == 255) {
      keep(g, 0);
      scale[g] = std::bit_cast<float>(0x7fc00000u);
    } else if (terms == Terms::three) {
      keep(g, std::bit_cast<float>((kToIntBias - exponent) << 23));
      scale[g] = std::bit_cast<float>((exponent - kScaleBias) << 23);
    } else {
      keep(g, std::max(std::bit_cast<float>(bits), kSmallestLargest));
    }
  }
  for (int g = 0; g < layout.n_groups && terms == Terms::one; ++g)
    if (kept(g) > 0) keep(g, best_factor(x + g * kGroup, kept(g), scale + g));
  for (int g = 0; g < layout.n_groups; ++g) {
    const float* xs = x + g * kGroup;
    alignas(64) std::int32_t v[kGroup] = {};
    if (const float to_int = kept(g); to_int > 0) {
      V::store_nearest_int(v, V::mul(V::load(xs), V::set1(to_int)));
      V::store_nearest_int(v + kLanes, V::mul(V::load(xs + kLanes), V::set1(to_int)));
    }
    std::int32_t sum = 0;
    for (int j = 0; j < kGroup; ++j) sum += v[j];
    sums[g] = -sum;
    for (int term = layout.n_terms - 1; term >= 0; --term) {
      std::uint8_t* q = out + term * layout.term_stride + g * 16;
      V::store_low_bytes(v, q, q + layout.half_stride);
      for (int j = 0; j < kGroup; ++j) v[j] = (v[j] + 128) >> 8;
    }
  }
  const int rest = layout.n_stored - layout.n_groups;  // the padding groups contribute nothing
  for (int half = 0; half < 2 * layout.n_terms; ++half) {
    std::memset(out + half * layout.half_stride + layout.n_groups * 16, 0, rest * 16);
  }
  std::memset(sums + layout.n_groups, 0, rest * 4);
  std::memset(scale + layout.n_groups, 0, rest * 4);
}

// Chooses the codes and scales of a tile, codes at most kCodeTop in magnitude: store(codes, scale, group,
// row). A few groups take each step together, since one alone would wait for its own divisions.
template <int kCodeTop, class Store>
static inline void pack_tile(const bf16* w, int n_rows, int k, Store store) {
  constexpr int kTogether = 8;
  struct Group {
    V lo, hi;
    float largest;
    bf16 least;  // of the scales tried
    alignas(64) float wider[kLanes], factors[kLanes], losses[kLanes];
  };
  Group groups[kTogether];
  for (int r = 0; r < kQ8Rows; ++r) {
    for (int start = 0; start < k / kGroup; start += kTogether) {
      const int n = std::min(kTogether, k / kGroup - start);
      for (int i = 0; i < n; ++i) {
        Group& g = groups[i];
        const bf16* p = w + static_cast<std::size_t>(r) * k + (start + i) * kGroup;
        g.lo = r < n_rows ? V::load_bf16(p) : V::zero();
        g.hi = r < n_rows ? V::load_bf16(p + kLanes) : V::zero();
        const auto magnitude = [](V v) { return V::max(v, V::sub(V::zero(), v)); };
        alignas(64) float lane[kLanes];
        V::store(lane, V::max(magnitude(g.lo), magnitude(g.hi)));
        for (int half = 8; half >= 1; half /= 2) {
          for (int j = 0; j < half; ++j) lane[j] = std::max(lane[j], lane[j + half]);
        }
        g.largest = lane[0];
      }
      for (int i = 0; i < n; ++i) {
        Group& g = groups[i];
        const auto bits = std::bit_cast<std::uint32_t>(g.largest / (kCodeTop / 2.0f));
        g.least = static_cast<bf16>((bits + 0xffff) >> 16);
        for (int j = 0; j < kLanes; ++j) g.wider[j] = bf16_to_f32(static_cast<bf16>(g.least + j));
        V::store(g.factors, V::div(V::set1(2.0f), V::load(g.wider)));
      }
      for (int i = 0; i < n; ++i) {
        Group& g = groups[i];
        rounding_losses<8>(g.lo, g.hi, g.factors, g.losses);
        rounding_losses<kWeightScales - 8>(g.lo, g.hi, g.factors + 8, g.losses + 8);
        const V ratio = V::div(V::load(g.wider), V::set1(g.wider[0]));
        V::store(g.losses, V::mul(V::load(g.losses), V::mul(ratio, ratio)));
      }
      for (int i = 0; i < n; ++i) {
        const Group& g = groups[i];
        int best = 0;
        for (int j = 1; j < kWeightScales; ++j) best = g.losses[j] < g.losses[best] ? j : best;
        const bool packs = g.largest > kSmallestLargest;
        const V to_code = V::set1(packs ? g.factors[best] : 0.0f);
        alignas(64) std::int32_t codes[kGroup];
        V::store_nearest_int(codes, V::mul(g.lo, to_code));
        V::store_nearest_int(codes + kLanes, V::mul(g.hi, to_code));
        store(codes, static_cast<bf16>(packs ? g.least + best : g.least), start + i, r);
      }
    }
  }
}

#include "kernels/attention-inl.h"
#include "kernels/pack-inl.h"
