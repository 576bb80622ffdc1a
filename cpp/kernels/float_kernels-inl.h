// The float32 kernels, written once over V, sixteen float lanes, and compiled into each level's namespace:
// one AVX-512 register, two AVX2 registers or four NEON registers hold the same sixteen numbers and do the
// same operations on them, so the levels are equal by construction. Included inside a target region and a
// namespace that defines V:
//   V::zero() set1(f) load(p) load_bf16(p) store(p, v) fma(a, b, c) add sub mul div min max
//   V::nearest(a) store_nearest_int(p, a) pow2(n) greater_or_zero(x, limit, v)
// and kRows, kTokens (the register block of a matmul) and kPrefetchBf16 (elements ahead).
// No include guard: it is meant to be included once in each level's file.

static inline float tree16(V v) {
  alignas(64) float r[16];
  V::store(r, v);
  for (int half = 8; half >= 1; half /= 2) {
    for (int i = 0; i < half; ++i) r[i] = r[i] + r[i + half];
  }
  return r[0];
}

// R rows of weights by N tokens, all sums in registers.
template <int R, int N>
static inline void bf16_tile(const bf16* w, int k, const float* x, std::size_t x_stride, float* y,
                             std::size_t y_stride) {
  V sum[R][N];
  for (int r = 0; r < R; ++r) {
    for (int t = 0; t < N; ++t) sum[r][t] = V::zero();
  }
  for (int i = 0; i < k; i += kLanes) {
    V wr[R];
    for (int r = 0; r < R; ++r) wr[r] = V::load_bf16(w + static_cast<std::size_t>(r) * k + i);
    if (N == 1) {
      for (int r = 0; r < R; ++r) __builtin_prefetch(w + static_cast<std::size_t>(r) * k + i + kPrefetchBf16);
    }
    for (int t = 0; t < N; ++t) {
      const V xt = V::load(x + t * x_stride + i);
      for (int r = 0; r < R; ++r) sum[r][t] = V::fma(wr[r], xt, sum[r][t]);
    }
  }
  for (int t = 0; t < N; ++t) {
    for (int r = 0; r < R; ++r) y[t * y_stride + r] = tree16(sum[r][t]);
  }
}

// All tokens by R rows; the last few tokens in ever narrower tiles.
template <int R, int N>
static inline void bf16_rows(const bf16* w, int k, const float* x, std::size_t x_stride, int n_tokens,
                             float* y, std::size_t y_stride) {
  int t = 0;
  for (; t + N <= n_tokens; t += N)
    bf16_tile<R, N>(w, k, x + t * x_stride, x_stride, y + t * y_stride, y_stride);
  if constexpr (N > 1) {
    if (t < n_tokens) {
      bf16_rows<R, N / 2>(w, k, x + t * x_stride, x_stride, n_tokens - t, y + t * y_stride, y_stride);
    }
  }
}

static void bf16_matmul(const bf16* w, int n_rows, int k, const float* x, std::size_t x_stride, int n_tokens,
                        float* y, std::size_t y_stride) {
  // Tokens are taken in panels that stay in the second-level cache while all rows pass by.
  constexpr int kPanel = 8 * kTokens;
  for (int t = 0; t < n_tokens; t += kPanel) {
    const int n = std::min(kPanel, n_tokens - t);
    const float* xp = x + t * x_stride;
    float* yp = y + t * y_stride;
    int r = 0;
    for (; r + kRows <= n_rows; r += kRows) {
      bf16_rows<kRows, kTokens>(w + static_cast<std::size_t>(r) * k, k, xp, x_stride, n, yp + r, y_stride);
    }
    for (; r < n_rows; ++r) {
      bf16_rows<1, kTokens>(w + static_cast<std::size_t>(r) * k, k, xp, x_stride, n, yp + r, y_stride);
    }
  }
}

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
  const V r = V::set1(1.0f / std::sqrt(tree16(sum) / static_cast<float>(n) + eps));
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
  return tree16(sum);
}

static void swiglu(const float* h, int n, float limit, float alpha, float* out) {
  const V top = V::set1(limit), bottom = V::set1(-limit), one = V::set1(1.0f);
  alignas(64) float gates[kLanes], ups[kLanes];
  for (int i = 0; i < n; i += kLanes) {
    const int m = std::min(kLanes, n - i);
    for (int j = 0; j < kLanes; ++j) {
      gates[j] = j < m ? h[2 * (i + j)] : 0.0f;
      ups[j] = j < m ? h[2 * (i + j) + 1] : 0.0f;
    }
    const V gate = V::min(V::load(gates), top);
    const V up = V::max(V::min(V::load(ups), top), bottom);
    const V e = exp16(V::sub(V::zero(), V::mul(V::set1(alpha), gate)));
    V::store(gates, V::div(V::mul(V::add(up, one), gate), V::add(one, e)));
    for (int j = 0; j < m; ++j) out[i + j] = gates[j];
  }
}

// Scores of one tile of 16 keys for H heads: lane = key, summed over d in rising order.
template <int H>
static inline void score_tile(const float* q, int head_dim, const float* tile, float scale, float* w,
                              std::size_t w_stride) {
  V dot[H];
  for (int h = 0; h < H; ++h) dot[h] = V::zero();
  for (int d = 0; d < head_dim; ++d) {
    const V key = V::load(tile + d * kKeyTile);
    for (int h = 0; h < H; ++h) dot[h] = V::fma(V::set1(q[h * head_dim + d]), key, dot[h]);
  }
  for (int h = 0; h < H; ++h) V::store(w + h * w_stride, V::mul(dot[h], V::set1(scale)));
}

// out[h, d .. d+16*D) for H heads: values added in rising key order.
template <int H, int D>
static inline void mix_values(const AttendArgs& a, int h0, int d0, std::size_t w_stride, int base,
                              const float* sums) {
  V acc[H][D];
  for (int h = 0; h < H; ++h) {
    for (int i = 0; i < D; ++i) acc[h][i] = V::zero();
  }
  for (int j = a.first; j <= a.last;) {
    const int block = j / a.block_tokens;
    const int end = std::min(a.last + 1, (block + 1) * a.block_tokens);
    const float* value = a.values[block] + static_cast<std::size_t>(j % a.block_tokens) * a.head_dim + d0;
    for (; j < end; ++j, value += a.head_dim) {
      V v[D];
      for (int i = 0; i < D; ++i) v[i] = V::load(value + i * kLanes);
      for (int h = 0; h < H; ++h) {
        const V w = V::set1(a.weights[(h0 + h) * w_stride + (j - base)]);
        for (int i = 0; i < D; ++i) acc[h][i] = V::fma(w, v[i], acc[h][i]);
      }
    }
  }
  for (int h = 0; h < H; ++h) {
    for (int i = 0; i < D; ++i) {
      V::store(a.out + (h0 + h) * a.head_dim + d0 + i * kLanes, V::div(acc[h][i], V::set1(sums[h0 + h])));
    }
  }
}

// Turns a head's scores into exp(score - max) and returns their sum with the sink's; what lies outside the
// visible range becomes zero.
static inline float soften(const AttendArgs& a, int h, float* w, int n, int base) {
  const int from = a.first - base, to = a.last + 1 - base;
  std::fill(w, w + from, -std::numeric_limits<float>::infinity());
  std::fill(w + to, w + n, -std::numeric_limits<float>::infinity());
  const float sink = bf16_to_f32(a.sinks[h]);
  V top = V::set1(sink);
  for (int j = 0; j < n; j += kLanes) top = V::max(V::load(w + j), top);
  alignas(64) float lane[kLanes];
  V::store(lane, top);
  const float m = *std::max_element(lane, lane + kLanes);
  V sum = V::zero();
  for (int j = 0; j < n; j += kLanes) {
    const V e = exp16(V::sub(V::load(w + j), V::set1(m)));
    V::store(w + j, e);
    sum = V::add(sum, e);
  }
  V::store(lane, exp16(V::set1(sink - m)));
  return tree16(sum) + lane[0];
}

static void attend(const AttendArgs& a) {
  const int first_tile = a.first / kKeyTile, last_tile = a.last / kKeyTile;
  const int base = first_tile * kKeyTile, n = (last_tile - first_tile + 1) * kKeyTile;
  const int tiles_per_block = a.block_tokens / kKeyTile;
  const std::size_t stride = n;
  for (int tile = first_tile; tile <= last_tile; ++tile) {
    const float* keys = a.keys[tile / tiles_per_block] +
                        static_cast<std::size_t>(tile % tiles_per_block) * a.head_dim * kKeyTile;
    float* w = a.weights + (tile - first_tile) * kKeyTile;
    int h = 0;
    for (; h + 8 <= a.n_heads; h += 8) {
      score_tile<8>(a.q + h * a.head_dim, a.head_dim, keys, a.scale, w + h * stride, stride);
    }
    for (; h < a.n_heads; ++h) {
      score_tile<1>(a.q + h * a.head_dim, a.head_dim, keys, a.scale, w + h * stride, stride);
    }
  }
  for (int h0 = 0; h0 < a.n_heads;) {
    const int heads = a.n_heads - h0 >= 4 ? 4 : 1;
    float sums[8];  // of the heads of this step
    for (int h = 0; h < heads; ++h) sums[h] = soften(a, h0 + h, a.weights + (h0 + h) * stride, n, base);
    int d = 0;
    const float* by_head = sums - h0;
    for (; d + 4 * kLanes <= a.head_dim; d += 4 * kLanes) {
      heads == 4 ? mix_values<4, 4>(a, h0, d, stride, base, by_head)
                 : mix_values<1, 4>(a, h0, d, stride, base, by_head);
    }
    for (; d < a.head_dim; d += kLanes) {
      heads == 4 ? mix_values<4, 1>(a, h0, d, stride, base, by_head)
                 : mix_values<1, 1>(a, h0, d, stride, base, by_head);
    }
    h0 += heads;
  }
}

// What rounding a group's numbers times to_int to integers loses, squared, in units.
static inline float rounding_loss(V lo, V hi, float to_int) {
  const V f = V::set1(to_int);
  const V a = V::mul(lo, f), b = V::mul(hi, f);
  const V ea = V::sub(a, V::nearest(a)), eb = V::sub(b, V::nearest(b));
  return tree16(V::fma(eb, eb, V::mul(ea, ea)));
}

// Activations to int8 terms; the integer part is scalar code that a compiler turns into vectors of its own.
template <Terms terms>
static void quantize(const float* x, int k, std::uint8_t* out) {
  const QuantLayout layout(k, terms);
  auto* sums = reinterpret_cast<std::int32_t*>(out + layout.sum_offset);
  auto* scale = reinterpret_cast<float*>(out + layout.scale_offset);
  for (int g = 0; g < layout.n_groups; ++g) {
    const float* xs = x + g * kGroup;
    std::uint32_t bits = 0;
    for (int j = 0; j < kGroup; ++j) bits = std::max(bits, std::bit_cast<std::uint32_t>(xs[j]) & 0x7fffffffu);
    const std::int32_t exponent = std::max(static_cast<std::int32_t>(bits >> 23), kMinExponent);
    const bool finite = exponent != 255;
    float to_int = 0;
    scale[g] = std::bit_cast<float>(0x7fc00000u);
    if (finite && terms == Terms::three) {
      to_int = std::bit_cast<float>((kToIntBias - exponent) << 23);
      scale[g] = std::bit_cast<float>((exponent - kScaleBias) << 23);
    } else if (finite) {
      const float largest = std::max(std::bit_cast<float>(bits), kSmallestLargest);
      const V lo = V::load(xs), hi = V::load(xs + kLanes);
      int best_top = kTop;
      float best = std::numeric_limits<float>::infinity();
      for (int top = kTop; top >= kLeastTop; --top) {
        const float loss = rounding_loss(lo, hi, top / largest) / static_cast<float>(top * top);
        if (loss < best) {
          best = loss;
          best_top = top;
        }
      }
      to_int = best_top / largest;
      scale[g] = largest / static_cast<float>(2 * best_top);
    }
    alignas(64) std::int32_t v[kGroup] = {};
    if (finite) {
      V::store_nearest_int(v, V::mul(V::load(xs), V::set1(to_int)));
      V::store_nearest_int(v + kLanes, V::mul(V::load(xs + kLanes), V::set1(to_int)));
    }
    std::int32_t sum = 0;
    for (int j = 0; j < kGroup; ++j) sum += v[j];
    sums[g] = -sum;
    for (int term = layout.n_terms - 1; term >= 0; --term) {
      auto* q = reinterpret_cast<std::int8_t*>(out) + term * layout.term_stride + g * 16;
      for (int j = 0; j < kGroup / 2; ++j) {
        q[j] = static_cast<std::int8_t>(v[2 * j]);
        q[layout.half_stride + j] = static_cast<std::int8_t>(v[2 * j + 1]);
      }
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

static void q8_pack(const bf16* w, int n_rows, int k, std::uint8_t* tile) {
  auto* scale = reinterpret_cast<bf16*>(tile + static_cast<std::size_t>(k / kGroup) * kQ8Rows * kGroup);
  for (int r = 0; r < kQ8Rows; ++r) {
    for (int g = 0; g < k / kGroup; ++g) {
      const bf16* p = w + static_cast<std::size_t>(r) * k + g * kGroup;
      const V lo = r < n_rows ? V::load_bf16(p) : V::zero(),
              hi = r < n_rows ? V::load_bf16(p + kLanes) : V::zero();
      const auto magnitude = [](V v) { return V::max(v, V::sub(V::zero(), v)); };
      alignas(64) float lane[kLanes];
      V::store(lane, V::max(magnitude(lo), magnitude(hi)));
      for (int half = 8; half >= 1; half /= 2) {
        for (int i = 0; i < half; ++i) lane[i] = std::max(lane[i], lane[i + half]);
      }
      const auto bits = std::bit_cast<std::uint32_t>(lane[0] / 63.5f);
      const bf16 least = static_cast<bf16>((bits + 0xffff) >> 16);
      bf16 twice = least;
      float best = std::numeric_limits<float>::infinity();
      for (int i = 0; i < kWeightScales && lane[0] > kSmallestLargest; ++i) {
        const bf16 wider = static_cast<bf16>(least + i);
        const float ratio = bf16_to_f32(wider) / bf16_to_f32(least);
        const float loss = rounding_loss(lo, hi, 2.0f / bf16_to_f32(wider)) * (ratio * ratio);
        if (loss < best) {
          best = loss;
          twice = wider;
        }
      }
      const V to_code = V::set1(lane[0] > kSmallestLargest ? 2.0f / bf16_to_f32(twice) : 0.0f);
      scale[g * kQ8Rows + r] = twice;
      alignas(64) std::int32_t code[kGroup];
      V::store_nearest_int(code, V::mul(lo, to_code));
      V::store_nearest_int(code + kLanes, V::mul(hi, to_code));
      for (int word = 0; word < 8; ++word) {
        const std::int32_t* c = code + word % 4 * 8 + word / 4;
        const std::uint8_t four[4] = {
            static_cast<std::uint8_t>(c[0] + kQ8Lift), static_cast<std::uint8_t>(c[2] + kQ8Lift),
            static_cast<std::uint8_t>(c[4] + kQ8Lift), static_cast<std::uint8_t>(c[6] + kQ8Lift)};
        std::memcpy(tile + ((g * 8 + word) * kQ8Rows + r) * 4, four, 4);
      }
    }
  }
}
