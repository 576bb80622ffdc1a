// The kernels of both NEON levels: sixteen lanes are four registers. Included inside a target region and a
// namespace that defines
//   dot4(sum, a, b)              sum[i] += a[4i..4i+3] . b[4i..4i+3], signed bytes
//   dot32(sum, e, o, xe, xo)     adds e . xe + o . xo to sum, spread over its four lanes in any way; e and o
//                                are MXFP4 codes, at most 12
// Signed times signed: nothing has to be lifted as on x86.

constexpr int kSums = 24, kRows = 4, kTokens = 6, kHeads = 4, kScoreTiles = 1, kWidth = 1,
              kPrefetchBf16 = 512, kPrefetchBf12 = 2048, kPrefetchBf12Level = 1;

struct V {
  struct Part {
    float32x4_t v;
    static Part load(const float* p) { return {vld1q_f32(p)}; }
    static Part load_bf16(const bf16* p) { return {vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16))}; }
    static void store(float* p, Part x) { vst1q_f32(p, x.v); }
    static Part fma(Part x, Part y, Part z) { return {vfmaq_f32(z.v, x.v, y.v)}; }
  };
  static constexpr int kPartLanes = 4;

  float32x4_t a, b, c, d;

  template <class F, class... Vs>
  static V map(F f, Vs... v) {
    return {f(v.a...), f(v.b...), f(v.c...), f(v.d...)};
  }
  static V set1(float f) { return {vdupq_n_f32(f), vdupq_n_f32(f), vdupq_n_f32(f), vdupq_n_f32(f)}; }
  static V zero() { return set1(0); }
  static V load(const float* p) {
    return {vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)};
  }
  // Even and odd places of 32 numbers.
  static void load_pairs(const float* p, V& even, V& odd) {
    const float32x4x2_t a = vld2q_f32(p), b = vld2q_f32(p + 8), c = vld2q_f32(p + 16), d = vld2q_f32(p + 24);
    even = {a.val[0], b.val[0], c.val[0], d.val[0]};
    odd = {a.val[1], b.val[1], c.val[1], d.val[1]};
  }
  // The low bytes of 32 integers, of even and of odd places.
  static void store_low_bytes(const std::int32_t* p, std::uint8_t* even, std::uint8_t* odd) {
    const int32x4x2_t a = vld2q_s32(p), b = vld2q_s32(p + 8), c = vld2q_s32(p + 16), d = vld2q_s32(p + 24);
    for (int i = 0; i < 2; ++i) {
      const int16x8_t ab = vcombine_s16(vmovn_s32(a.val[i]), vmovn_s32(b.val[i]));
      const int16x8_t cd = vcombine_s16(vmovn_s32(c.val[i]), vmovn_s32(d.val[i]));
      vst1q_u8(i == 0 ? even : odd, vreinterpretq_u8_s8(vcombine_s8(vmovn_s16(ab), vmovn_s16(cd))));
    }
  }
  static V load_bf16(const bf16* p) {
    const uint16x8_t zero = vdupq_n_u16(0), lo = vld1q_u16(p), hi = vld1q_u16(p + 8);
    return {vreinterpretq_f32_u16(vzip1q_u16(zero, lo)), vreinterpretq_f32_u16(vzip2q_u16(zero, lo)),
            vreinterpretq_f32_u16(vzip1q_u16(zero, hi)), vreinterpretq_f32_u16(vzip2q_u16(zero, hi))};
  }
  static void store(float* p, V v) {
    vst1q_f32(p, v.a);
    vst1q_f32(p + 4, v.b);
    vst1q_f32(p + 8, v.c);
    vst1q_f32(p + 12, v.d);
  }
  static V fma(V x, V y, V z) {
    return map([](auto p, auto q, auto r) { return vfmaq_f32(r, p, q); }, x, y, z);
  }
  static V add(V x, V y) {
    return map([](auto p, auto q) { return vaddq_f32(p, q); }, x, y);
  }
  static V sub(V x, V y) {
    return map([](auto p, auto q) { return vsubq_f32(p, q); }, x, y);
  }
  static V mul(V x, V y) {
    return map([](auto p, auto q) { return vmulq_f32(p, q); }, x, y);
  }
  static V div(V x, V y) {
    return map([](auto p, auto q) { return vdivq_f32(p, q); }, x, y);
  }
  // vminq and vmaxq treat NaN and -0 in their own way; the contract is x < y ? x : y, as on x86.
  static V min(V x, V y) {
    return map([](auto p, auto q) { return vbslq_f32(vcltq_f32(p, q), p, q); }, x, y);
  }
  static V max(V x, V y) {
    return map([](auto p, auto q) { return vbslq_f32(vcgtq_f32(p, q), p, q); }, x, y);
  }
  static float tree(V x) {
    const float32x4_t four = vaddq_f32(vaddq_f32(x.a, x.c), vaddq_f32(x.b, x.d));
    return vpadds_f32(vadd_f32(vget_low_f32(four), vget_high_f32(four)));
  }
  static void trees(const V (&v)[8], float* out) {
    for (int i = 0; i < 8; ++i) out[i] = tree(v[i]);
  }
  static V nearest(V x) {
    return map([](auto p) { return vrndnq_f32(p); }, x);
  }
  static void store_nearest_int(std::int32_t* p, V x) {
    vst1q_s32(p, vcvtnq_s32_f32(x.a));
    vst1q_s32(p + 4, vcvtnq_s32_f32(x.b));
    vst1q_s32(p + 8, vcvtnq_s32_f32(x.c));
    vst1q_s32(p + 12, vcvtnq_s32_f32(x.d));
  }
  static V pow2(V n) {
    return map(
        [](auto p) {
          return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(p), vdupq_n_s32(127)), 23));
        },
        n);
  }
  static V greater_or_zero(V x, V limit, V v) {
    return map(
        [](auto p, auto q, auto r) {
          return vreinterpretq_f32_u32(vandq_u32(vcgtq_f32(p, q), vreinterpretq_u32_f32(r)));
        },
        x, limit, v);
  }
};

struct Bf12Widener {
  static constexpr int kRows = 1;  // that widen() takes

  uint8x16_t high;

  explicit Bf12Widener(const std::uint8_t* table) : high(vld1q_u8(table)) {}

  template <class Use>
  void widen(const std::uint8_t* low, const std::uint8_t* pointers, Use use) const {
    const uint8x16_t two = vld1q_u8(pointers), l0 = vld1q_u8(low), l1 = vld1q_u8(low + 16);
    const uint8x16_t h0 = vqtbl1q_u8(high, vandq_u8(two, vdupq_n_u8(15))),
                     h1 = vqtbl1q_u8(high, vshrq_n_u8(two, 4));
    const auto sixteen = [](uint8x16_t a, uint8x16_t b) {  // eight words each, four of a, four of b in turn
      const uint16x8_t zero = vdupq_n_u16(0), wa = vreinterpretq_u16_u8(a), wb = vreinterpretq_u16_u8(b);
      return V{vreinterpretq_f32_u16(vzip1q_u16(zero, wa)), vreinterpretq_f32_u16(vzip1q_u16(zero, wb)),
               vreinterpretq_f32_u16(vzip2q_u16(zero, wa)), vreinterpretq_f32_u16(vzip2q_u16(zero, wb))};
    };
    use(0, sixteen(vzip1q_u8(l0, h0), vzip1q_u8(l1, h1)), sixteen(vzip2q_u8(l0, h0), vzip2q_u8(l1, h1)));
  }
};

#include "kernels/float_kernels-inl.h"

// One group's integer dot product, spread over four lanes.
template <Terms terms>
static inline int32x4_t dot_group(int8x16_t even, int8x16_t odd, const std::int8_t* q,
                                  const QuantLayout& layout) {
  int32x4_t sum = vdupq_n_s32(0);
  for (int term = 0; term < static_cast<int>(terms); ++term, q += layout.term_stride) {
    sum = dot32(vshlq_n_s32(sum, 8), even, odd, vld1q_s8(q), vld1q_s8(q + layout.half_stride));
  }
  return sum;
}

// The scales of one group of four rows, as floats.
static inline float32x4_t scales_of(const std::uint8_t* scales, int n_groups) {
  const std::int32_t bits[4] = {scales[0], scales[n_groups], scales[2 * n_groups], scales[3 * n_groups]};
  return vreinterpretq_f32_s32(vmaxq_s32(vshlq_n_s32(vld1q_s32(bits), 23), vdupq_n_s32(0x00400000)));
}

// Four rows by N tokens straight from the checkpoint's layout: lane = row.
template <Terms terms, int N>
static inline void mxfp4_rows4(const std::uint8_t* blocks, const std::uint8_t* scales,
                               const QuantLayout& layout, const QuantRows& x, int t0, float* y,
                               std::size_t y_stride) {
  const int8x16_t table = vld1q_s8(kE2M1Twice);
  const std::size_t row_bytes = static_cast<std::size_t>(layout.n_groups) * kGroupBytes;
  float32x4_t part[N][4];  // groups 0, 1, 2, 3 (mod 4)
  const std::uint8_t* xs[N];
  for (int t = 0; t < N; ++t) {
    for (int i = 0; i < 4; ++i) part[t][i] = vdupq_n_f32(0);
    xs[t] = x.row(t0 + t, layout.bytes);
  }
  for (int g = 0; g < layout.n_groups; ++g) {
    int32x4_t dot[N][4];
    for (int r = 0; r < 4; ++r) {
      const std::uint8_t* p = blocks + r * row_bytes + static_cast<std::size_t>(g) * kGroupBytes;
      __builtin_prefetch(p + 1024);
      const uint8x16_t bytes = vld1q_u8(p);
      const int8x16_t even = vqtbl1q_s8(table, vandq_u8(bytes, vdupq_n_u8(15)));
      const int8x16_t odd = vqtbl1q_s8(table, vshrq_n_u8(bytes, 4));
      for (int t = 0; t < N; ++t) {
        dot[t][r] = dot_group<terms>(even, odd, reinterpret_cast<const std::int8_t*>(xs[t]) + g * 16, layout);
      }
    }
    const float32x4_t ws = scales_of(scales + g, layout.n_groups);
    for (int t = 0; t < N; ++t) {
      const int32x4_t sum = vpaddq_s32(vpaddq_s32(dot[t][0], dot[t][1]), vpaddq_s32(dot[t][2], dot[t][3]));
      const float scale = reinterpret_cast<const float*>(xs[t] + layout.scale_offset)[g];
      part[t][g % 4] = vfmaq_f32(part[t][g % 4], vcvtq_f32_s32(sum), vmulq_n_f32(ws, scale));
    }
  }
  for (int t = 0; t < N; ++t) {
    const float32x4_t* p = part[t];
    vst1q_f32(y + (t0 + t) * y_stride, vaddq_f32(vaddq_f32(p[0], p[1]), vaddq_f32(p[2], p[3])));
  }
}

// The tokens from t on, the last few in ever narrower tiles.
template <Terms terms, int N>
static inline void mxfp4_tokens(const std::uint8_t* blocks, const std::uint8_t* scales,
                                const QuantLayout& layout, const QuantRows& x, int t, float* y,
                                std::size_t y_stride) {
  for (; t + N <= x.n; t += N) mxfp4_rows4<terms, N>(blocks, scales, layout, x, t, y, y_stride);
  if constexpr (N > 1) {
    if (t < x.n) mxfp4_tokens<terms, N / 2>(blocks, scales, layout, x, t, y, y_stride);
  }
}

template <Terms terms>
static void mxfp4_matmul(const std::uint8_t* blocks, const std::uint8_t* scales, int n_rows, int k,
                         QuantRows x, float* y, std::size_t y_stride, std::uint8_t* scratch) {
  const QuantLayout layout(k, terms);
  int r = 0;
  for (; r + 4 <= n_rows; r += 4) {
    const std::size_t group = static_cast<std::size_t>(r) * layout.n_groups;
    mxfp4_tokens<terms, 4>(blocks + group * kGroupBytes, scales + group, layout, x, 0, y + r, y_stride);
  }
  if (r < n_rows) {
    const std::size_t group = static_cast<std::size_t>(r) * layout.n_groups;
    reference().integer(terms).mxfp4_matmul(blocks + group * kGroupBytes, scales + group, n_rows - r, k, x,
                                            y + r, y_stride, scratch);
  }
}

// One tile of 16 rows by N tokens: lane = row, so nothing is summed across lanes.
template <int N>
static inline void q8_tile(const std::uint8_t* tile, const QuantLayout& layout, const QuantRows& x, int t0,
                           float* y, std::size_t y_stride, int n_rows) {
  const auto* w_scale =
      reinterpret_cast<const bf16*>(tile + static_cast<std::size_t>(layout.n_groups) * kQ8Rows * kGroup);
  const std::uint8_t* xs[N];
  V sum[N];
  for (int t = 0; t < N; ++t) {
    xs[t] = x.row(t0 + t, layout.bytes);
    sum[t] = V::zero();
  }
  for (int g = 0; g < layout.n_groups; ++g) {
    int32x4_t dot[N][4];
    for (int t = 0; t < N; ++t) {
      for (int h = 0; h < 4; ++h) dot[t][h] = vdupq_n_s32(0);
    }
    const std::uint8_t* words = tile + static_cast<std::size_t>(g) * kQ8Rows * kGroup;
    for (int q = 0; q < 8; ++q, words += 4 * kQ8Rows) {
      int8x16_t w[4];
      for (int h = 0; h < 4; ++h) {
        w[h] = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(words + 16 * h), vdupq_n_u8(kQ8Lift)));
      }
      for (int t = 0; t < N; ++t) {
        std::int32_t word;
        std::memcpy(&word, xs[t] + (q / 4) * layout.half_stride + g * 16 + (q % 4) * 4, 4);
        const int8x16_t b = vreinterpretq_s8_s32(vdupq_n_s32(word));
        for (int h = 0; h < 4; ++h) dot[t][h] = dot4(dot[t][h], w[h], b);
      }
    }
    const V ws = V::load_bf16(w_scale + g * kQ8Rows);
    for (int t = 0; t < N; ++t) {
      const V as = V::set1(reinterpret_cast<const float*>(xs[t] + layout.scale_offset)[g]);
      const V d = {vcvtq_f32_s32(dot[t][0]), vcvtq_f32_s32(dot[t][1]), vcvtq_f32_s32(dot[t][2]),
                   vcvtq_f32_s32(dot[t][3])};
      sum[t] = V::fma(d, V::mul(ws, as), sum[t]);
    }
  }
  for (int t = 0; t < N; ++t) {
    float rows[kQ8Rows];
    V::store(rows, sum[t]);
    std::copy(rows, rows + n_rows, y + (t0 + t) * y_stride);
  }
}

static void q8_matmul(const std::uint8_t* tiles, int n_rows, int k, QuantRows x, float* y,
                      std::size_t y_stride, std::uint8_t*) {
  const QuantLayout layout(k, Terms::one);
  for (int r = 0; r < n_rows; r += kQ8Rows, tiles += q8_tile_bytes(k)) {
    const int n = std::min(kQ8Rows, n_rows - r);
    int t = 0;
    for (; t + 2 <= x.n; t += 2) q8_tile<2>(tiles, layout, x, t, y + r, y_stride, n);
    if (t < x.n) q8_tile<1>(tiles, layout, x, t, y + r, y_stride, n);
  }
}

// Q6: as above.
constexpr int kQ6Tokens = 4;
#include "kernels/q6-inl.h"

template <int N>
static void q6_tile(const std::uint8_t* tile, int n_groups, const Q6Inputs* inputs, bool brings, float* y,
                    std::size_t y_stride) {
  const uint8x16_t nibble = vdupq_n_u8(15), upper = vdupq_n_u8(48);
  const int8x16_t lift = vdupq_n_s8(kQ6Lift);
  V sum[N];
  for (int t = 0; t < N; ++t) sum[t] = V::zero();
  for (int g = 0; g < n_groups; ++g, tile += kQ6Group, inputs += N) {
    if (brings) {
      for (int line = 0; line < kQ6Group; line += 64) __builtin_prefetch(tile + line + 4096);
    }
    int32x4_t dot[N][4];
    for (int h = 0; h < 4; ++h) {  // a quarter of the rows
      for (int t = 0; t < N; ++t) dot[t][h] = vdupq_n_s32(0);
      for (int q = 0; q < 4; ++q) {
        const int8x16_t shift = vdupq_n_s8(static_cast<std::int8_t>(4 - 2 * q));
        const auto code = [&](uint8x16_t low, const std::uint8_t* two) {
          const uint8x16_t moved = vandq_u8(vshlq_u8(vld1q_u8(two), shift), upper);
          return vsubq_s8(vreinterpretq_s8_u8(vorrq_u8(low, moved)), lift);
        };
        const uint8x16_t low = vld1q_u8(tile + q * 64 + 16 * h);
        const int8x16_t even = code(vandq_u8(low, nibble), tile + 4 * 64 + 16 * h);
        const int8x16_t odd = code(vshrq_n_u8(low, 4), tile + 5 * 64 + 16 * h);
        for (int t = 0; t < N; ++t) {
          const std::int32_t* words = inputs[t].words + 2 * q;
          dot[t][h] = dot4(dot[t][h], even, vreinterpretq_s8_s32(vdupq_n_s32(words[0])));
          dot[t][h] = dot4(dot[t][h], odd, vreinterpretq_s8_s32(vdupq_n_s32(words[1])));
        }
      }
    }
    const V ws = V::load_bf16(reinterpret_cast<const bf16*>(tile + kQ6Codes));
    for (int t = 0; t < N; ++t) {
      const V d = {vcvtq_f32_s32(dot[t][0]), vcvtq_f32_s32(dot[t][1]), vcvtq_f32_s32(dot[t][2]),
                   vcvtq_f32_s32(dot[t][3])};
      sum[t] = V::fma(d, V::mul(ws, V::set1(inputs[t].unit)), sum[t]);
    }
  }
  for (int t = 0; t < N; ++t) V::store(y + t * y_stride, sum[t]);
}

// Accumulators are named one by one: in an array the compiler keeps them in memory.
#define OSSNB_EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
static double int8_peak(long n) {
  int8x16_t a = vdupq_n_s8(3), b = vdupq_n_s8(1);
#define OSSNB_DECLARE(i) int32x4_t acc##i = vdupq_n_s32(0);
  OSSNB_EACH(OSSNB_DECLARE)
  for (long i = 0; i < n; ++i) {
#define OSSNB_STEP(i)                 \
  acc##i = dot32(acc##i, a, a, b, b); \
  asm volatile("" : "+w"(acc##i), "+w"(a));
    OSSNB_EACH(OSSNB_STEP)
  }
  return 8 * 32 * 2;
}
#undef OSSNB_EACH
#undef OSSNB_DECLARE
#undef OSSNB_STEP
