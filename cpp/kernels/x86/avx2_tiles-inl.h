// Products of many tokens on AVX2. Sixteen rows of weights make a tile whose lanes are rows: word q of group
// g holds four codes of each row, in two registers, so one broadcast word of activations meets all sixteen
// rows and nothing is summed across lanes. Q8 matrices have this layout in memory. MXFP4 rows are expanded
// into it once and then serve every token.

constexpr int kTileRows = 16, kTileGroup = kTileRows * kGroup;  // bytes of a group in a tile

// The MXFP4 tile: codes lifted by 12, and a scale for each row and group.
struct Tile {
  std::uint8_t* codes;  // [n_groups, 8 words, 16 rows, 4]
  float* scales;        // [n_groups, 16]
  std::int32_t* lifts;  // [n_groups, tokens of a step]: these undo the lift
  Tile(std::uint8_t* scratch, int k) {
    const auto at = (reinterpret_cast<std::uintptr_t>(scratch) + 63) / 64 * 64;
    codes = reinterpret_cast<std::uint8_t*>(at);
    scales = reinterpret_cast<float*>(codes + static_cast<std::size_t>(kTileRows) * k);
    lifts = reinterpret_cast<std::int32_t*>(scales + k / kGroup * kTileRows);
  }
};

static void expand_tile(const std::uint8_t* blocks, const std::uint8_t* scales, int n_groups,
                        const Tile& tile) {
  const __m256i nibble = _mm256_set1_epi8(15), table = lifted_table();
  const std::size_t row_bytes = static_cast<std::size_t>(n_groups) * kGroupBytes;
  for (int half = 0; half < 2; ++half) {
    for (int g = 0; g < n_groups; ++g) {
      const std::uint8_t* base = blocks + half * 8 * row_bytes + static_cast<std::size_t>(g) * kGroupBytes;
      const auto row = [&](int r) {
        __builtin_prefetch(base + (r + 8) * row_bytes);  // the next eight rows
        return _mm_loadu_si128(reinterpret_cast<const __m128i*>(base + r * row_bytes));
      };
      __m256i in[4];  // rows i and i + 4
      for (int i = 0; i < 4; ++i) in[i] = _mm256_set_m128i(row(i + 4), row(i));
      const __m256i ab_lo = _mm256_unpacklo_epi32(in[0], in[1]), ab_hi = _mm256_unpackhi_epi32(in[0], in[1]);
      const __m256i cd_lo = _mm256_unpacklo_epi32(in[2], in[3]), cd_hi = _mm256_unpackhi_epi32(in[2], in[3]);
      const __m256i word[4] = {_mm256_unpacklo_epi64(ab_lo, cd_lo), _mm256_unpackhi_epi64(ab_lo, cd_lo),
                               _mm256_unpacklo_epi64(ab_hi, cd_hi), _mm256_unpackhi_epi64(ab_hi, cd_hi)};
      auto* out = reinterpret_cast<__m256i*>(tile.codes + static_cast<std::size_t>(g) * kTileGroup) + half;
      for (int q = 0; q < 4; ++q) {
        const __m256i even = _mm256_and_si256(word[q], nibble);
        const __m256i odd = _mm256_and_si256(_mm256_srli_epi16(word[q], 4), nibble);
        _mm256_store_si256(out + 2 * q, _mm256_shuffle_epi8(table, even));
        _mm256_store_si256(out + 2 * (q + 4), _mm256_shuffle_epi8(table, odd));
      }
    }
  }
  for (int r = 0; r < kTileRows; r += 8) {
    const std::uint8_t* from = scales + static_cast<std::size_t>(r) * n_groups;
    for (int g = 0; g < n_groups; g += 4) {
      const __m128i lo = scale_bytes(from, g, n_groups), hi = scale_bytes(from + 4 * n_groups, g, n_groups);
      const __m128i groups[2] = {_mm_unpacklo_epi32(lo, hi), _mm_unpackhi_epi32(lo, hi)};
      for (int i = 0; i < std::min(4, n_groups - g); ++i) {
        const __m128i pair = groups[i / 2];
        const __m256 f = e8m0_to_f32(i % 2 ? _mm_srli_si128(pair, 8) : pair);
        _mm256_storeu_ps(tile.scales + (g + i) * kTileRows + r, f);
      }
    }
  }
}

// Sixteen rows by N tokens.
template <Terms terms, int N>
[[gnu::noinline]] static void tile_tokens(const Tile& tile, const QuantLayout& layout, const QuantRows& x,
                                          int t0, float* y, std::size_t y_stride) {
  const std::uint8_t* xs[N];
  for (int t = 0; t < N; ++t) {
    xs[t] = x.row(t0 + t, layout.bytes);
    const auto* sums = reinterpret_cast<const std::int32_t*>(xs[t] + layout.sum_offset);
    for (int g = 0; g < layout.n_groups; ++g) tile.lifts[g * N + t] = kLift * sums[g];
  }
  alignas(32) float part[4][N][kTileRows] = {};  // groups 0, 1, 2, 3 (mod 4): the written order
  for (int g = 0; g < layout.n_groups; ++g) {
    __m256i dot[N][2];
    tile_dots<terms>(tile.codes + static_cast<std::size_t>(g) * kTileGroup, xs, g, layout, dot);
    const float* scales = tile.scales + static_cast<std::size_t>(g) * kTileRows;
#pragma GCC unroll 8
    for (int t = 0; t < N; ++t) {
      const __m256i lift = _mm256_set1_epi32(tile.lifts[g * N + t]);
      const __m256 as = _mm256_broadcast_ss(reinterpret_cast<const float*>(xs[t] + layout.scale_offset) + g);
#pragma GCC unroll 2
      for (int i = 0; i < 2; ++i) {
        float* to = part[g % 4][t] + 8 * i;
        const __m256 d = _mm256_cvtepi32_ps(_mm256_add_epi32(dot[t][i], lift));
        const __m256 scale = _mm256_mul_ps(_mm256_load_ps(scales + 8 * i), as);
        _mm256_store_ps(to, _mm256_fmadd_ps(d, scale, _mm256_load_ps(to)));
      }
    }
  }
  for (int t = 0; t < N; ++t) {
    const auto load = [&](int j) { return V::load(part[j][t]); };
    V::store(y + t * y_stride, V::add(V::add(load(0), load(1)), V::add(load(2), load(3))));
  }
}

// Q8: one tile of 16 rows by N tokens.
template <int N>
[[gnu::noinline]] static void q8_tile(const std::uint8_t* tile, const QuantLayout& layout, const QuantRows& x,
                                      int t0, float* y, std::size_t y_stride, int n_rows) {
  const auto* w_scale =
      reinterpret_cast<const bf16*>(tile + static_cast<std::size_t>(layout.n_groups) * kTileGroup);
  const std::uint8_t* xs[N];
  V sum[N];
  for (int t = 0; t < N; ++t) {
    xs[t] = x.row(t0 + t, layout.bytes);
    sum[t] = V::zero();
  }
  for (int g = 0; g < layout.n_groups; ++g) {
    __m256i dot[N][2];
    if (t0 == 0) {  // the first tokens bring the tile, the others find it in a cache
      for (int line = 0; line < kTileGroup; line += 64)
        __builtin_prefetch(tile + static_cast<std::size_t>(g) * kTileGroup + line + 4096);
    }
    q8_dots(tile + static_cast<std::size_t>(g) * kTileGroup, xs, g, layout, dot);
    const V ws = V::load_bf16(w_scale + g * kTileRows);
#pragma GCC unroll 8
    for (int t = 0; t < N; ++t) {
      const V as = V::set1(reinterpret_cast<const float*>(xs[t] + layout.scale_offset)[g]);
      const V d = {_mm256_cvtepi32_ps(dot[t][0]), _mm256_cvtepi32_ps(dot[t][1])};
      sum[t] = V::fma(d, V::mul(ws, as), sum[t]);
    }
  }
  for (int t = 0; t < N; ++t) {
    alignas(32) float rows[kTileRows];
    V::store(rows, sum[t]);
    std::copy(rows, rows + n_rows, y + t * y_stride);
  }
}

static void q8_matmul(const std::uint8_t* tiles, int n_rows, int k, QuantRows x, float* y,
                      std::size_t y_stride, std::uint8_t*) {
  const QuantLayout layout(k, Terms::one);
  for (int r = 0; r < n_rows; r += kTileRows, tiles += q8_tile_bytes(k)) {
    for_steps<kStepTokens>(x.n, [&]<int N>(int t) {
      q8_tile<N>(tiles, layout, x, t, y + t * y_stride + r, y_stride, std::min(kTileRows, n_rows - r));
    });
  }
}

constexpr int kQ6Tokens = 6;
#include "kernels/q6-inl.h"

// Codes lifted by 32 are at most 63. With several tokens one half of the sixteen rows comes after the other:
// then the sums of eight tokens fit the registers, and a code is formed once for all of them.
template <int N>
[[gnu::noinline]] static void q6_tile(const std::uint8_t* tile, int n_groups, const Q6Inputs* inputs,
                                      bool brings, float* y, std::size_t y_stride) {
  constexpr int kTogether = N <= 2 ? 2 : 1;  // halves
  const __m256i nibble = _mm256_set1_epi8(15), upper = _mm256_set1_epi8(48);
  __m256 sum[2][N];
  for (int t = 0; t < N; ++t) sum[0][t] = sum[1][t] = _mm256_setzero_ps();
  const auto halves = [&]<int first>(const __m256i* words, const Q6Inputs* in) {
    __m256i dot[kTogether][N];
#pragma GCC unroll 8
    for (int t = 0; t < N; ++t) {
      for (int i = 0; i < kTogether; ++i) dot[i][t] = _mm256_set1_epi32(in[t].lift);
    }
    const auto word = [&]<int q>() {  // words q and q + 4
      const auto upper_bits = [&](__m256i four) {
        const __m256i moved = q == 0   ? _mm256_slli_epi16(four, 4)
                              : q == 1 ? _mm256_slli_epi16(four, 2)
                              : q == 2 ? four
                                       : _mm256_srli_epi16(four, 2);
        return _mm256_and_si256(moved, upper);
      };
#pragma GCC unroll 2
      for (int i = 0; i < kTogether; ++i) {
        const __m256i* at = words + first + i;
        const __m256i low = _mm256_loadu_si256(at + 2 * q);
        __m256i even = _mm256_or_si256(_mm256_and_si256(low, nibble), upper_bits(_mm256_loadu_si256(at + 8)));
        __m256i odd = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(low, 4), nibble),
                                      upper_bits(_mm256_loadu_si256(at + 10)));
        pin(even);
        pin(odd);
#pragma GCC unroll 8
        for (int t = 0; t < N; ++t) {
          const __m256i even_x = _mm256_set1_epi32(in[t].words[2 * q]);
          const __m256i odd_x = _mm256_set1_epi32(in[t].words[2 * q + 1]);
          dot[i][t] = add_pair(dot[i][t], even, even_x, odd, odd_x);
          pin(dot[i][t]);
        }
      }
    };
    word.template operator()<0>();
    word.template operator()<1>();
    word.template operator()<2>();
    word.template operator()<3>();
    const auto* scales = reinterpret_cast<const bf16*>(words + kQ6Codes / 32);
#pragma GCC unroll 2
    for (int i = 0; i < kTogether; ++i) {
      const __m256 ws = V::widen(scales + 8 * (first + i));
#pragma GCC unroll 8
      for (int t = 0; t < N; ++t) {
        __m256& to = sum[first + i][t];
        to =
            _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot[i][t]), _mm256_mul_ps(ws, _mm256_set1_ps(in[t].unit)), to);
      }
    }
  };
  for (int g = 0; g < n_groups; ++g, tile += kQ6Group, inputs += N) {
    if (brings) {
      for (int line = 0; line < kQ6Group; line += 64) __builtin_prefetch(tile + line + 4096);
    }
    const auto* words = reinterpret_cast<const __m256i*>(tile);
    halves.template operator()<0>(words, inputs);
    if constexpr (kTogether == 1) {
      const Q6Inputs* again = inputs;
      asm volatile("" : "+r"(again));  // else what the first half read would be kept in memory, spread out
      halves.template operator()<1>(words, again);
    }
  }
  for (int t = 0; t < N; ++t) V::store(y + t * y_stride, {sum[0][t], sum[1][t]});
}
