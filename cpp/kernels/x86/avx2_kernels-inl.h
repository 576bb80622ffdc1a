// The AVX2 kernels, compiled once with VNNI and once without. Included after avx2_lanes-inl.h and the
// functions that a level adds:
//   dot_two_rows<terms>(even, odd, q, layout)   integer dots of two rows' two groups with a row of
//                                           activations: in each half, for its group, [row 0, row 1] twice,
//                                           to be added
//   tile_dots<terms>(codes, xs, at, layout, dot)   of a group of a tile of sixteen rows with N tokens
//   q8_dots(words, xs, g, layout, dot)      the same for Q8, with the lift subtracted
//   add_pair(sum, a, xa, b, xb)             sum + a . xa + b . xb, words of four bytes; a and b at most 63
//   kStepTokens                             tokens that a tile meets at once

// bf12: unpacking within halves suits the written order of 32 inputs.
struct Bf12Widener {
  static constexpr int kRows = 1;  // that widen() takes

  __m256i high;

  explicit Bf12Widener(const std::uint8_t* table)
      : high(_mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)))) {}

  template <class Use>
  void widen(const std::uint8_t* low, const std::uint8_t* pointers, Use use) const {
    const __m256i two =
        _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(pointers)));
    const __m256i one = _mm256_and_si256(_mm256_srlv_epi32(two, _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4)),
                                         _mm256_set1_epi8(15));
    const __m256i l = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(low));
    const __m256i h = _mm256_shuffle_epi8(high, one), zero = _mm256_setzero_si256();
    const __m256i a = _mm256_unpacklo_epi8(l, h), b = _mm256_unpackhi_epi8(l, h);
    const auto lanes = [](__m256i lo, __m256i hi) {
      return V{_mm256_castsi256_ps(lo), _mm256_castsi256_ps(hi)};
    };
    use(0, lanes(_mm256_unpacklo_epi16(zero, a), _mm256_unpackhi_epi16(zero, a)),
        lanes(_mm256_unpacklo_epi16(zero, b), _mm256_unpackhi_epi16(zero, b)));
  }
};

// the float kernels use V and Bf12Widener
#include "kernels/float_kernels-inl.h"

// Sums the four lanes of each half of a, b, c, d: half i becomes [a_i b_i c_i d_i].
static inline __m256i sum_halves(__m256i a, __m256i b, __m256i c, __m256i d) {
  const __m256i ab = _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
  const __m256i cd = _mm256_add_epi32(_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
  return _mm256_add_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
}

// Two 32-bit values, each to the four lanes of one half.
static inline __m256i spread2(const void* two) {
  return _mm256_permutevar8x32_epi32(
      _mm256_castsi128_si256(_mm_loadl_epi64(static_cast<const __m128i*>(two))),
      _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
}

static inline __m256i lifted_table() {
  return _mm256_broadcastsi128_si256(
      _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
}

// The scale bytes of four groups of four rows, [group, row]. Places past the last group are zero.
static inline __m128i scale_bytes(const std::uint8_t* scales, int g, int n_groups) {
  std::int32_t s[4] = {};
  const std::size_t left = std::min(4, n_groups - g);
  for (int r = 0; r < 4; ++r) {
    const std::uint8_t* p = scales + static_cast<std::size_t>(r) * n_groups + g;
    left == 4 ? std::memcpy(&s[r], p, 4) : std::memcpy(&s[r], p, left);
  }
  return _mm_shuffle_epi8(_mm_setr_epi32(s[0], s[1], s[2], s[3]),
                          _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
}

static inline __m256 e8m0_to_f32(__m128i bytes) {  // the lower eight
  const __m256i bits = _mm256_slli_epi32(_mm256_cvtepu8_epi32(bytes), 23);
  return _mm256_castsi256_ps(_mm256_max_epi32(bits, _mm256_set1_epi32(0x00400000)));
}

// What a token's groups add after the dots, two groups a step and four lanes each, laid out once for all
// rows.
struct Step {
  __m256i lift;  // undoes the lift of unsigned codes
  __m256 unit;
};

static inline void lay_out_steps(const std::uint8_t* x, const QuantLayout& layout, Step* steps) {
  for (int g = 0; g < layout.n_groups; g += 2, ++steps) {
    const __m256i sums = spread2(x + layout.sum_offset + g * 4);
    steps->lift = _mm256_mullo_epi32(sums, _mm256_set1_epi32(kLift));
    steps->unit = _mm256_castsi256_ps(spread2(x + layout.scale_offset + g * 4));
  }
}

// Four rows by N tokens straight from the checkpoint's layout.
template <Terms terms, int N>
[[gnu::noinline]] static void mxfp4_rows4(const std::uint8_t* blocks, const std::uint8_t* scales,
                                          const QuantLayout& layout, const std::uint8_t* const* xs,
                                          const Step* const* steps, float* y, std::size_t y_stride) {
  const __m256i nibble = _mm256_set1_epi8(15), table = lifted_table();
  const std::size_t row_bytes = static_cast<std::size_t>(layout.n_groups) * kGroupBytes;
  __m256 part[N][2];  // groups 0, 1 and groups 2, 3 (mod 4); four rows in each half
  for (int t = 0; t < N; ++t) part[t][0] = part[t][1] = _mm256_setzero_ps();
  // Groups g and g + 1, if that is there.
  const auto two_groups = [&]<int at, bool both>(int g, __m128i scale) {
    __m256i rows01[N], sum[N];
#pragma GCC unroll 2
    for (int pair = 0; pair < 2; ++pair) {
      __m256i even[2], odd[2];
#pragma GCC unroll 2
      for (int r = 0; r < 2; ++r) {
        const std::uint8_t* p =
            blocks + (2 * pair + r) * row_bytes + static_cast<std::size_t>(g) * kGroupBytes;
        const __m256i b = both ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))
                               : _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
        even[r] = _mm256_shuffle_epi8(table, _mm256_and_si256(b, nibble));
        odd[r] = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(b, 4), nibble));
        pin(even[r]);
        pin(odd[r]);
      }
#pragma GCC unroll 4
      for (int t = 0; t < N; ++t) {
        const __m256i dots =
            dot_two_rows<terms>(even, odd, reinterpret_cast<const std::int8_t*>(xs[t]) + g * 16, layout);
        if (pair == 0) {
          rows01[t] = dots;
        } else {
          sum[t] = _mm256_add_epi32(_mm256_unpacklo_epi64(rows01[t], dots),
                                    _mm256_unpackhi_epi64(rows01[t], dots));
        }
      }
    }
    const __m256 ws = e8m0_to_f32(at ? _mm_srli_si128(scale, 8) : scale);
#pragma GCC unroll 4
    for (int t = 0; t < N; ++t) {
      const Step& step = steps[t][g / 2];
      const __m256 d = _mm256_cvtepi32_ps(_mm256_add_epi32(sum[t], step.lift));
      part[t][at] = _mm256_fmadd_ps(d, _mm256_mul_ps(ws, step.unit), part[t][at]);
    }
  };
  int g = 0;
  for (; g + 4 <= layout.n_groups; g += 4) {
    // The next four rows, in the order of memory: as four streams they would come a quarter slower.
    for (int line = 0; line < 4; ++line)
      __builtin_prefetch(blocks + 4 * (row_bytes + static_cast<std::size_t>(g) * kGroupBytes) + line * 64);
    const __m128i scale = scale_bytes(scales, g, layout.n_groups);
    two_groups.template operator()<0, true>(g, scale);
    two_groups.template operator()<1, true>(g + 2, scale);
  }
  if (const int left = layout.n_groups - g; left > 0) {
    const __m128i scale = scale_bytes(scales, g, layout.n_groups);
    left == 1 ? two_groups.template operator()<0, false>(g, scale)
              : two_groups.template operator()<0, true>(g, scale);
    if (left == 3) two_groups.template operator()<1, false>(g + 2, scale);
  }
  for (int t = 0; t < N; ++t) {
    const auto halves = [](__m256 p) {
      return _mm_add_ps(_mm256_castps256_ps128(p), _mm256_extractf128_ps(p, 1));
    };
    _mm_storeu_ps(y + t * y_stride, _mm_add_ps(halves(part[t][0]), halves(part[t][1])));
  }
}

#include "kernels/x86/avx2_tiles-inl.h"

// Up to this many tokens the weights are used in their place, a few tokens a step. With more tokens,
// expanding a tile pays.
constexpr int kPlaceTokens = 4;
constexpr int few_tokens(Terms terms) { return terms == Terms::one ? 8 : 4; }

// Rows from r on, up to the last whole four; returns the first row behind them.
template <Terms terms>
static int mxfp4_in_place(const std::uint8_t* blocks, const std::uint8_t* scales, int r, int n_rows,
                          const QuantLayout& layout, const QuantRows& x, float* y, std::size_t y_stride,
                          std::uint8_t* scratch) {
  if (r + 4 > n_rows) return r;
  const int n_steps = (layout.n_groups + 1) / 2;
  Step* steps = reinterpret_cast<Step*>((reinterpret_cast<std::uintptr_t>(scratch) + 63) / 64 * 64);
  constexpr int kMost = few_tokens(terms);
  for (int t0 = 0; t0 < x.n; t0 += kMost) {
    const int n = std::min(kMost, x.n - t0);
    const std::uint8_t* xs[kMost];
    const Step* at[kMost];
    for (int t = 0; t < n; ++t) {
      xs[t] = x.row(t0 + t, layout.bytes);
      at[t] = steps + t * n_steps;
      lay_out_steps(xs[t], layout, steps + t * n_steps);
    }
    for (int row = r; row + 4 <= n_rows; row += 4) {
      const std::size_t group = static_cast<std::size_t>(row) * layout.n_groups;
      for_steps<kPlaceTokens>(n, [&]<int N>(int t) {
        mxfp4_rows4<terms, N>(blocks + group * kGroupBytes, scales + group, layout, xs + t, at + t,
                              y + (t0 + t) * y_stride + row, y_stride);
      });
    }
  }
  return r + (n_rows - r) / 4 * 4;
}

template <Terms terms>
static void mxfp4_matmul(const std::uint8_t* blocks, const std::uint8_t* scales, int n_rows, int k,
                         QuantRows x, float* y, std::size_t y_stride, std::uint8_t* scratch) {
  const QuantLayout layout(k, terms);
  int r = 0;
  if (x.n > few_tokens(terms)) {
    const Tile tile(scratch, k);
    for (; r + kTileRows <= n_rows; r += kTileRows) {
      const std::size_t group = static_cast<std::size_t>(r) * layout.n_groups;
      expand_tile(blocks + group * kGroupBytes, scales + group, layout.n_groups, tile);
      for_steps<kStepTokens>(x.n, [&]<int N>(int t) {
        tile_tokens<terms, N>(tile, layout, x, t, y + t * y_stride + r, y_stride);
      });
    }
  }
  r = mxfp4_in_place<terms>(blocks, scales, r, n_rows, layout, x, y, y_stride, scratch);
  if (r < n_rows) {
    const std::size_t group = static_cast<std::size_t>(r) * layout.n_groups;
    reference().integer(terms).mxfp4_matmul(blocks + group * kGroupBytes, scales + group, n_rows - r, k, x,
                                            y + r, y_stride, scratch);
  }
}
