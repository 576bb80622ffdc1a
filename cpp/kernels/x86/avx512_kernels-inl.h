// The AVX-512 kernels, compiled once with VNNI and once without. Included inside a target region and a
// namespace that defines dpbusd(sum, unsigned bytes, signed bytes).

constexpr int kSums = 24, kRows = 4, kTokens = 6, kHeads = 8, kScoreTiles = 2, kWidth = 2,
              kPrefetchBf16 = 512, kPrefetchBf12 = 4096, kPrefetchBf12Level = 2;

#include "kernels/x86/trees-inl.h"

struct V {
  using Part = V;
  static constexpr int kPartLanes = 16;

  __m512 v;
  static V zero() { return {_mm512_setzero_ps()}; }
  static V set1(float f) { return {_mm512_set1_ps(f)}; }
  static V load(const float* p) { return {_mm512_loadu_ps(p)}; }
  // Even and odd places of 32 numbers.
  static void load_pairs(const float* p, V& even, V& odd) {
    const __m512 a = _mm512_loadu_ps(p), b = _mm512_loadu_ps(p + 16);
    const __m512i at = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    even.v = _mm512_permutex2var_ps(a, at, b);
    odd.v = _mm512_permutex2var_ps(a, _mm512_or_si512(at, _mm512_set1_epi32(1)), b);
  }
  // The low bytes of 32 integers, of even and of odd places.
  static void store_low_bytes(const std::int32_t* p, std::uint8_t* even, std::uint8_t* odd) {
    V e, o;
    load_pairs(reinterpret_cast<const float*>(p), e, o);
    const auto bytes = [](V v) { return _mm512_cvtepi32_epi8(_mm512_castps_si512(v.v)); };
    _mm_storeu_si128(reinterpret_cast<__m128i*>(even), bytes(e));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(odd), bytes(o));
  }
  static V load_bf16(const bf16* p) {
    const __m512i w = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(w, 16))};
  }
  static void store(float* p, V a) { _mm512_storeu_ps(p, a.v); }
  static V fma(V a, V b, V c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
  static V add(V a, V b) { return {_mm512_add_ps(a.v, b.v)}; }
  static V sub(V a, V b) { return {_mm512_sub_ps(a.v, b.v)}; }
  static V mul(V a, V b) { return {_mm512_mul_ps(a.v, b.v)}; }
  static V div(V a, V b) { return {_mm512_div_ps(a.v, b.v)}; }
  static V min(V a, V b) { return {_mm512_min_ps(a.v, b.v)}; }
  static V max(V a, V b) { return {_mm512_max_ps(a.v, b.v)}; }
  static float tree(V a) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
  }
  // tree() of each of eight.
  static void trees(const V (&v)[8], float* out) {
    sum_eights(
        [&](int i) {
          return _mm256_add_ps(_mm512_castps512_ps256(v[i].v), _mm512_extractf32x8_ps(v[i].v, 1));
        },
        out);
  }
  static V nearest(V a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
  static void store_nearest_int(std::int32_t* p, V a) { _mm512_storeu_si512(p, _mm512_cvtps_epi32(a.v)); }
  static V pow2(V n) {
    const __m512i e = _mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(e, 23))};
  }
  static V greater_or_zero(V x, V limit, V v) {
    return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x.v, limit.v, _CMP_GT_OQ), v.v)};
  }
};

// bf12, two rows at a time: low bytes fill a register, the first row in its lower half.
struct Bf12Widener {
  static constexpr int kRows = 2;  // that widen() takes

  __m512i high;

  explicit Bf12Widener(const std::uint8_t* table)
      : high(_mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)))) {}

  template <class Use>
  void widen(const std::uint8_t* low, const std::uint8_t* pointers, Use use) const {
    const auto pointers_of = [&](int row) {
      return _mm512_broadcast_i64x2(_mm_loadu_si128(reinterpret_cast<const __m128i*>(pointers) + row));
    };
    const __m512i two = _mm512_mask_mov_epi64(pointers_of(0), 0xf0, pointers_of(1));
    const __m512i shift = _mm512_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4, 0, 0, 0, 0, 4, 4, 4, 4);
    const __m512i one = _mm512_and_si512(_mm512_srlv_epi32(two, shift), _mm512_set1_epi8(15));
    const __m512i l = _mm512_loadu_si512(low), h = _mm512_shuffle_epi8(high, one);
    const __m512i a = _mm512_unpacklo_epi8(l, h), b = _mm512_unpackhi_epi8(l, h),
                  zero = _mm512_setzero_si512();
    const auto lanes = [](__m512i lo, __m512i hi, bool second) {  // the halves of a row
      return V{_mm512_castsi512_ps(second ? _mm512_shuffle_i64x2(lo, hi, 0xee)
                                          : _mm512_inserti64x4(lo, _mm512_castsi512_si256(hi), 1))};
    };
    const __m512i a_lo = _mm512_unpacklo_epi16(zero, a), a_hi = _mm512_unpackhi_epi16(zero, a);
    const __m512i b_lo = _mm512_unpacklo_epi16(zero, b), b_hi = _mm512_unpackhi_epi16(zero, b);
    use(0, lanes(a_lo, a_hi, false), lanes(b_lo, b_hi, false));
    use(1, lanes(a_lo, a_hi, true), lanes(b_lo, b_hi, true));
  }
};

// the float kernels use V and Bf12Widener
#include "kernels/float_kernels-inl.h"
#include "kernels/x86/avx512_expand-inl.h"

// Twice the E2M1 values, lifted by 12.
struct LiftedValues {
  __m512i nibble, table;

  LiftedValues()
      : nibble(_mm512_set1_epi8(15)),
        table(_mm512_broadcast_i32x4(
            _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0))) {}
  __m512i low(__m512i v) const { return _mm512_shuffle_epi8(table, _mm512_and_si512(v, nibble)); }
  __m512i high(__m512i v) const { return low(_mm512_srli_epi16(v, 4)); }
};

// Sums the four lanes of each 128-bit part of a, b, c, d: part i becomes [a_i b_i c_i d_i].
static inline __m512i sum_parts(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  return _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
}

// Four rows by N tokens straight from the checkpoint's layout: one 64-byte load is four groups of a row, so
// the four partial sums of the written order are the four 128-bit parts of an accumulator whose lanes are the
// rows.
template <Terms terms, int N>
static inline void mxfp4_rows4(const std::uint8_t* blocks, const std::uint8_t* scales,
                               const QuantLayout& layout, const QuantRows& x, int t0, float* y,
                               std::size_t y_stride) {
  const LiftedValues values;
  const __m128i by_group = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const std::size_t row_bytes = static_cast<std::size_t>(layout.n_groups) * kGroupBytes;
  __m512 part[N];
  const std::uint8_t* xs[N];
  for (int t = 0; t < N; ++t) {
    part[t] = _mm512_setzero_ps();
    xs[t] = x.row(t0 + t, layout.bytes);
  }
  const auto four_groups = [&](int g, int left) {  // or the rest at the end
    const __mmask64 valid = left == 4 ? ~0ull : (1ull << (left * kGroupBytes)) - 1;
    __m512i dot[N][4];
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r) {
      const std::uint8_t* p = blocks + r * row_bytes + static_cast<std::size_t>(g) * kGroupBytes;
      const __m512i b = left == 4 ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi8(valid, p);
      _mm_prefetch(reinterpret_cast<const char*>(p) + 8 * row_bytes, _MM_HINT_T1);
      const __m512i even = values.low(b), odd = values.high(b);
#pragma GCC unroll 4
      for (int t = 0; t < N; ++t) {
        const std::uint8_t* q = xs[t] + g * 16;
        __m512i sum = _mm512_setzero_si512();
#pragma GCC unroll 3
        for (int term = 0; term < static_cast<int>(terms); ++term, q += layout.term_stride) {
          if (term > 0) sum = _mm512_slli_epi32(sum, 8);
          sum = dpbusd(sum, even, _mm512_loadu_si512(q));
          sum = dpbusd(sum, odd, _mm512_loadu_si512(q + layout.half_stride));
        }
        dot[t][r] = sum;
      }
    }
    std::int32_t s[4] = {};
    for (int r = 0; r < 4; ++r)
      std::memcpy(&s[r], scales + static_cast<std::size_t>(r) * layout.n_groups + g, left == 4 ? 4 : left);
    const __m128i s16 = _mm_shuffle_epi8(_mm_setr_epi32(s[0], s[1], s[2], s[3]), by_group);
    const __m512 ws = e8m0_to_f32(_mm512_cvtepu8_epi32(s16));
    const __m512i spread = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
#pragma GCC unroll 4
    for (int t = 0; t < N; ++t) {
      const auto* sums = xs[t] + layout.sum_offset + g * 4;
      const auto* scale = xs[t] + layout.scale_offset + g * 4;
      const auto load4 = [](const std::uint8_t* p) {
        return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
      };
      const __m128i lift4 = _mm_mullo_epi32(load4(sums), _mm_set1_epi32(kLift));
      const __m512i lift = _mm512_permutexvar_epi32(spread, _mm512_castsi128_si512(lift4));
      const __m512 as =
          _mm512_castsi512_ps(_mm512_permutexvar_epi32(spread, _mm512_castsi128_si512(load4(scale))));
      const __m512i sum = _mm512_add_epi32(sum_parts(dot[t][0], dot[t][1], dot[t][2], dot[t][3]), lift);
      part[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(ws, as), part[t]);
    }
  };
  int g = 0;
  for (; g + 4 <= layout.n_groups; g += 4) four_groups(g, 4);
  if (g < layout.n_groups) four_groups(g, layout.n_groups - g);
  for (int t = 0; t < N; ++t) {
    const __m128 p01 = _mm_add_ps(_mm512_castps512_ps128(part[t]), _mm512_extractf32x4_ps(part[t], 1));
    const __m128 p23 = _mm_add_ps(_mm512_extractf32x4_ps(part[t], 2), _mm512_extractf32x4_ps(part[t], 3));
    _mm_storeu_ps(y + t * y_stride, _mm_add_ps(p01, p23));
  }
}

// A tile of 32 rows, expanded once and multiplied by many tokens: each step multiplies 16 rows by one
// broadcast word of activations.
constexpr int kTileRows = 32;

struct Tile {
  std::uint8_t* codes;  // [n_groups, 2 halves of 16 rows, 8 words, 64]
  float* scales;        // [n_groups, 32]
  Tile(std::uint8_t* scratch, int k) {
    auto at = (reinterpret_cast<std::uintptr_t>(scratch) + 63) / 64 * 64;
    codes = reinterpret_cast<std::uint8_t*>(at);
    scales = reinterpret_cast<float*>(codes + static_cast<std::size_t>(kTileRows) * k);
  }
};

static void expand_tile(const std::uint8_t* blocks, const std::uint8_t* scales, int n_groups,
                        const Tile& tile) {
  const std::size_t row_bytes = static_cast<std::size_t>(n_groups) * kGroupBytes;
  for (int half = 0; half < 2; ++half) {
    const std::uint8_t* rows = blocks + half * 16 * row_bytes;
    expand_scales(scales + half * 16 * n_groups, n_groups, tile.scales + half * 16, kTileRows);
    for (int g = 0; g < n_groups; ++g) {
      const std::uint8_t* group = rows + g * kGroupBytes;
      if (g % 4 == 0) {  // a line of each of the next sixteen rows
#pragma GCC unroll 16
        for (int r = 16; r < 32; ++r)
          _mm_prefetch(reinterpret_cast<const char*>(group + r * row_bytes), _MM_HINT_T0);
      }
      expand_group(group, row_bytes, LiftedValues(), tile.codes + (2 * g + half) * 16 * kGroup);
    }
  }
}

template <Terms terms, int N>
static void tile_matmul(const Tile& tile, const QuantLayout& layout, const QuantRows& x, int t0, float* y,
                        std::size_t y_stride) {
  const std::uint8_t* xs[N];
  for (int t = 0; t < N; ++t) xs[t] = x.row(t0 + t, layout.bytes);
  __m512 part[4][N][2];
  for (int j = 0; j < 4; ++j) {  // the written order keeps four sums: groups j, j + 4, j + 8, ...
    __m512 acc[N][2];
    for (int t = 0; t < N; ++t) acc[t][0] = acc[t][1] = _mm512_setzero_ps();
    for (int g = j; g < layout.n_groups; g += 4) {
      const std::uint8_t* codes = tile.codes + static_cast<std::size_t>(g) * 1024;
      __m512i dot[N][2];
      for (int t = 0; t < N; ++t) dot[t][0] = dot[t][1] = _mm512_setzero_si512();
#pragma GCC unroll 3
      for (int term = 0; term < static_cast<int>(terms); ++term) {
        if (term > 0) {
          for (int t = 0; t < N; ++t) {
            dot[t][0] = _mm512_slli_epi32(dot[t][0], 8);
            dot[t][1] = _mm512_slli_epi32(dot[t][1], 8);
          }
        }
        const std::size_t at = term * layout.term_stride + static_cast<std::size_t>(g) * 16;
#pragma GCC unroll 8
        for (int q = 0; q < 8; ++q) {
          const __m512i w0 = _mm512_load_si512(codes + q * 64), w1 = _mm512_load_si512(codes + 512 + q * 64);
#pragma GCC unroll 8
          for (int t = 0; t < N; ++t) {
            std::int32_t word;
            std::memcpy(&word, xs[t] + at + (q / 4) * layout.half_stride + (q % 4) * 4, 4);
            const __m512i b = _mm512_set1_epi32(word);
            dot[t][0] = dpbusd(dot[t][0], w0, b);
            dot[t][1] = dpbusd(dot[t][1], w1, b);
          }
        }
      }
      const __m512 s0 = _mm512_load_ps(tile.scales + g * kTileRows);
      const __m512 s1 = _mm512_load_ps(tile.scales + g * kTileRows + 16);
      for (int t = 0; t < N; ++t) {
        const std::int32_t sum = reinterpret_cast<const std::int32_t*>(xs[t] + layout.sum_offset)[g];
        const __m512i lift = _mm512_set1_epi32(kLift * sum);
        const __m512 as = _mm512_set1_ps(reinterpret_cast<const float*>(xs[t] + layout.scale_offset)[g]);
        const __m512 d0 = _mm512_cvtepi32_ps(_mm512_add_epi32(dot[t][0], lift));
        const __m512 d1 = _mm512_cvtepi32_ps(_mm512_add_epi32(dot[t][1], lift));
        acc[t][0] = _mm512_fmadd_ps(d0, _mm512_mul_ps(s0, as), acc[t][0]);
        acc[t][1] = _mm512_fmadd_ps(d1, _mm512_mul_ps(s1, as), acc[t][1]);
      }
    }
    for (int t = 0; t < N; ++t) {
      part[j][t][0] = acc[t][0];
      part[j][t][1] = acc[t][1];
    }
  }
  for (int t = 0; t < N; ++t) {
    for (int h = 0; h < 2; ++h) {
      const __m512 sum = _mm512_add_ps(_mm512_add_ps(part[0][t][h], part[1][t][h]),
                                       _mm512_add_ps(part[2][t][h], part[3][t][h]));
      _mm512_storeu_ps(y + t * y_stride + h * 16, sum);
    }
  }
}

template <Terms terms>
static void tile_tokens(const Tile& tile, const QuantLayout& layout, const QuantRows& x, float* y,
                        std::size_t y_stride) {
  int t = 0;
  for (; t + 6 <= x.n; t += 6) tile_matmul<terms, 6>(tile, layout, x, t, y + t * y_stride, y_stride);
  float* yt = y + t * y_stride;
  switch (x.n - t) {
    case 1:
      tile_matmul<terms, 1>(tile, layout, x, t, yt, y_stride);
      break;
    case 2:
      tile_matmul<terms, 2>(tile, layout, x, t, yt, y_stride);
      break;
    case 3:
      tile_matmul<terms, 3>(tile, layout, x, t, yt, y_stride);
      break;
    case 4:
      tile_matmul<terms, 4>(tile, layout, x, t, yt, y_stride);
      break;
    case 5:
      tile_matmul<terms, 5>(tile, layout, x, t, yt, y_stride);
      break;
    default:
      break;
  }
}

template <Terms terms>
static void few_tokens(const std::uint8_t* blocks, const std::uint8_t* scales, const QuantLayout& layout,
                       const QuantRows& x, float* y, std::size_t y_stride) {
  int t = 0;
  for (; t + 2 <= x.n; t += 2)
    mxfp4_rows4<terms, 2>(blocks, scales, layout, x, t, y + t * y_stride, y_stride);
  if (t < x.n) mxfp4_rows4<terms, 1>(blocks, scales, layout, x, t, y + t * y_stride, y_stride);
}

// Up to this many tokens the weights are used in their place. With more tokens, expanding a tile pays.
constexpr int kFewTokens = 3;

template <Terms terms>
static void mxfp4_matmul(const std::uint8_t* blocks, const std::uint8_t* scales, int n_rows, int k,
                         QuantRows x, float* y, std::size_t y_stride, std::uint8_t* scratch) {
  const QuantLayout layout(k, terms);
  const auto group = [&](int r) { return static_cast<std::size_t>(r) * layout.n_groups; };
  int r = 0;
  if (x.n > kFewTokens) {
    const Tile tile(scratch, k);
    for (; r + kTileRows <= n_rows; r += kTileRows) {
      expand_tile(blocks + group(r) * kGroupBytes, scales + group(r), layout.n_groups, tile);
      tile_tokens<terms>(tile, layout, x, y + r, y_stride);
    }
  }
  for (; r + 4 <= n_rows; r += 4) {
    few_tokens<terms>(blocks + group(r) * kGroupBytes, scales + group(r), layout, x, y + r, y_stride);
  }
  if (r < n_rows) {
    reference().integer(terms).mxfp4_matmul(blocks + group(r) * kGroupBytes, scales + group(r), n_rows - r, k,
                                            x, y + r, y_stride, scratch);
  }
}

// R tiles of 16 rows by N tokens. Written like tile_matmul, but the tiles are already in this shape in memory
// and the order is plain: one sum in rising group.
template <int R, int N>
static inline void q8_tiles(const std::uint8_t* tiles, int k, const QuantLayout& layout, const QuantRows& x,
                            int t0, float* y, std::size_t y_stride, __mmask16 last_rows) {
  const std::uint8_t* tile[R];
  const std::uint8_t* xs[N];
  __m512 sum[N][R];
  for (int r = 0; r < R; ++r) tile[r] = tiles + r * q8_tile_bytes(k);
  for (int t = 0; t < N; ++t) {
    xs[t] = x.row(t0 + t, layout.bytes);
    for (int r = 0; r < R; ++r) sum[t][r] = _mm512_setzero_ps();
  }
  const std::size_t scales = static_cast<std::size_t>(layout.n_groups) * kQ8Rows * kGroup;
  for (int g = 0; g < layout.n_groups; ++g) {
    __m512i dot[N][R];
#pragma GCC unroll 6
    for (int t = 0; t < N; ++t) {
      const std::int32_t sums = reinterpret_cast<const std::int32_t*>(xs[t] + layout.sum_offset)[g];
      for (int r = 0; r < R; ++r) dot[t][r] = _mm512_set1_epi32(kQ8Lift * sums);
    }
#pragma GCC unroll 8
    for (int q = 0; q < 8; ++q) {
      __m512i w[R];
      for (int r = 0; r < R; ++r) {
        const std::uint8_t* p = tile[r] + (static_cast<std::size_t>(g) * 8 + q) * 64;
        w[r] = _mm512_loadu_si512(p);
        if (N == 1) _mm_prefetch(reinterpret_cast<const char*>(p) + 4096, _MM_HINT_T0);
      }
#pragma GCC unroll 6
      for (int t = 0; t < N; ++t) {
        std::int32_t word;
        std::memcpy(&word, xs[t] + (q / 4) * layout.half_stride + g * 16 + (q % 4) * 4, 4);
        const __m512i b = _mm512_set1_epi32(word);
        for (int r = 0; r < R; ++r) dot[t][r] = dpbusd_wide(dot[t][r], w[r], b);
      }
    }
    for (int r = 0; r < R; ++r) {
      const V ws = V::load_bf16(reinterpret_cast<const bf16*>(tile[r] + scales) + g * kQ8Rows);
      for (int t = 0; t < N; ++t) {
        const __m512 as = _mm512_set1_ps(reinterpret_cast<const float*>(xs[t] + layout.scale_offset)[g]);
        sum[t][r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[t][r]), _mm512_mul_ps(ws.v, as), sum[t][r]);
      }
    }
  }
  for (int t = 0; t < N; ++t) {
    for (int r = 0; r < R; ++r) {
      _mm512_mask_storeu_ps(y + t * y_stride + r * kQ8Rows, r + 1 < R ? 0xffff : last_rows, sum[t][r]);
    }
  }
}

template <int R>
static void q8_tokens(const std::uint8_t* tiles, int k, const QuantLayout& layout, const QuantRows& x,
                      float* y, std::size_t y_stride, __mmask16 last_rows) {
  int t = 0;
  for (; t + 6 <= x.n; t += 6) q8_tiles<R, 6>(tiles, k, layout, x, t, y + t * y_stride, y_stride, last_rows);
  float* yt = y + t * y_stride;
  switch (x.n - t) {
    case 1:
      q8_tiles<R, 1>(tiles, k, layout, x, t, yt, y_stride, last_rows);
      break;
    case 2:
      q8_tiles<R, 2>(tiles, k, layout, x, t, yt, y_stride, last_rows);
      break;
    case 3:
      q8_tiles<R, 3>(tiles, k, layout, x, t, yt, y_stride, last_rows);
      break;
    case 4:
      q8_tiles<R, 4>(tiles, k, layout, x, t, yt, y_stride, last_rows);
      break;
    case 5:
      q8_tiles<R, 5>(tiles, k, layout, x, t, yt, y_stride, last_rows);
      break;
    default:
      break;
  }
}

static void q8_matmul(const std::uint8_t* tiles, int n_rows, int k, QuantRows x, float* y,
                      std::size_t y_stride, std::uint8_t*) {
  const QuantLayout layout(k, Terms::one);
  const std::size_t bytes = q8_tile_bytes(k);
  const auto mask = [](int n) { return static_cast<__mmask16>((1u << n) - 1); };
  int r = 0;
  for (; r + kQ8Rows < n_rows; r += 2 * kQ8Rows, tiles += 2 * bytes) {
    q8_tokens<2>(tiles, k, layout, x, y + r, y_stride, mask(std::min(kQ8Rows, n_rows - r - kQ8Rows)));
  }
  if (r < n_rows) q8_tokens<1>(tiles, k, layout, x, y + r, y_stride, mask(n_rows - r));
}

constexpr int kQ6Tokens = 8;
#include "kernels/q6-inl.h"

// A word of sixteen rows fills a register.
template <int N>
[[gnu::noinline]] static void q6_tile(const std::uint8_t* tile, int n_groups, const Q6Inputs* inputs,
                                      bool brings, float* y, std::size_t y_stride) {
  const __m512i nibble = _mm512_set1_epi8(15), upper = _mm512_set1_epi8(48);
  __m512 sum[N];
  for (int t = 0; t < N; ++t) sum[t] = _mm512_setzero_ps();
  for (int g = 0; g < n_groups; ++g, tile += kQ6Group, inputs += N) {
    if (brings) {
      for (int line = 0; line < kQ6Group; line += 64)
        _mm_prefetch(reinterpret_cast<const char*>(tile) + line + 2048, _MM_HINT_T0);
    }
    // Two bits further down for each word; a word's own are bits 4 and 5 of its byte.
    __m512i even_upper = _mm512_loadu_si512(tile + 4 * 64), odd_upper = _mm512_loadu_si512(tile + 5 * 64);
    even_upper = _mm512_rol_epi32(even_upper, 4);
    odd_upper = _mm512_rol_epi32(odd_upper, 4);
    __m512i dot[N];
    for (int t = 0; t < N; ++t) dot[t] = _mm512_set1_epi32(inputs[t].lift);
#pragma GCC unroll 4
    for (int q = 0; q < 4; ++q) {
      const __m512i low = _mm512_loadu_si512(tile + q * 64);
      const auto code = [&](__m512i four, __m512i two) {
        return _mm512_or_si512(_mm512_and_si512(four, nibble), _mm512_and_si512(two, upper));
      };
      const __m512i even = code(low, even_upper), odd = code(_mm512_srli_epi16(low, 4), odd_upper);
#pragma GCC unroll 8
      for (int t = 0; t < N; ++t) {
        dot[t] = dpbusd(dot[t], even, _mm512_set1_epi32(inputs[t].words[2 * q]));
        dot[t] = dpbusd(dot[t], odd, _mm512_set1_epi32(inputs[t].words[2 * q + 1]));
      }
      even_upper = _mm512_ror_epi32(even_upper, 2);
      odd_upper = _mm512_ror_epi32(odd_upper, 2);
    }
    const V ws = V::load_bf16(reinterpret_cast<const bf16*>(tile + kQ6Codes));
#pragma GCC unroll 8
    for (int t = 0; t < N; ++t) {
      const __m512 scale = _mm512_mul_ps(ws.v, _mm512_set1_ps(inputs[t].unit));
      sum[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[t]), scale, sum[t]);
    }
  }
  for (int t = 0; t < N; ++t) _mm512_storeu_ps(y + t * y_stride, sum[t]);
}

using Bytes = __m512i;
#include "kernels/x86/peak-inl.h"
