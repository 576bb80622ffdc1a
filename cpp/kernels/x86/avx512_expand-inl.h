// Sixteen rows of MXFP4 expanded to bytes, for products with many tokens. Included inside a target region and
// a namespace, like the kernels that use it.

static inline __m512 e8m0_to_f32(__m512i bytes_as_int) {
  return _mm512_castsi512_ps(
      _mm512_max_epi32(_mm512_slli_epi32(bytes_as_int, 23), _mm512_set1_epi32(0x00400000)));
}

// The scale bytes of sixteen rows, turned: out[g] holds those of group g. 16 groups, or fewer at the end.
static inline void turn_scales(const std::uint8_t* scales, int n_groups, int g, __m128i (&out)[16]) {
  const auto left = static_cast<__mmask16>((1u << std::min(16, n_groups - g)) - 1);
  __m128i a[16];
#pragma GCC unroll 16
  for (int r = 0; r < 16; ++r)
    a[r] = _mm_maskz_loadu_epi8(left, scales + static_cast<std::size_t>(r) * n_groups + g);
  // Four rounds of interleaving row r with row r + 8.
#pragma GCC unroll 4
  for (int round = 0; round < 4; ++round) {
    __m128i b[16];
#pragma GCC unroll 8
    for (int r = 0; r < 8; ++r) {
      b[2 * r] = _mm_unpacklo_epi8(a[r], a[r + 8]);
      b[2 * r + 1] = _mm_unpackhi_epi8(a[r], a[r + 8]);
    }
    std::copy(b, b + 16, a);
  }
  std::copy(a, a + 16, out);
}

// The scales of sixteen rows: out[g * step] is where the sixteen of group g go.
static inline void expand_scales(const std::uint8_t* scales, int n_groups, float* out, std::size_t step) {
  __m128i bytes[16];
  for (int g = 0; g < n_groups; ++g) {
    if (g % 16 == 0) turn_scales(scales, n_groups, g, bytes);
    _mm512_store_ps(out + g * step, e8m0_to_f32(_mm512_cvtepu8_epi32(bytes[g % 16])));
  }
}

// A group of sixteen rows, each code replaced by its value: low(v) and high(v) give those of the nibbles of
// every byte. Lane = row: the 16 bytes of a group give four words of four codes for each row (even inputs in
// the low nibbles, odd in the high), and word q of 16 rows makes one register. codes: [8 words, 16 rows, 4],
// even inputs in the first four words.
template <class Values>
static inline void expand_group(const std::uint8_t* group, std::size_t row_bytes, const Values& values,
                                std::uint8_t* codes) {
  const auto row = [&](int r) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(group + r * row_bytes));
  };
  __m512i in[4];  // in[i]: rows i, i+4, i+8, i+12
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    in[i] = _mm512_inserti32x4(_mm512_castsi128_si512(row(i)), row(i + 4), 1);
    in[i] = _mm512_inserti32x4(_mm512_inserti32x4(in[i], row(i + 8), 2), row(i + 12), 3);
  }
  const __m512i ab_lo = _mm512_unpacklo_epi32(in[0], in[1]), ab_hi = _mm512_unpackhi_epi32(in[0], in[1]);
  const __m512i cd_lo = _mm512_unpacklo_epi32(in[2], in[3]), cd_hi = _mm512_unpackhi_epi32(in[2], in[3]);
  const __m512i word[4] = {_mm512_unpacklo_epi64(ab_lo, cd_lo), _mm512_unpackhi_epi64(ab_lo, cd_lo),
                           _mm512_unpacklo_epi64(ab_hi, cd_hi), _mm512_unpackhi_epi64(ab_hi, cd_hi)};
#pragma GCC unroll 4
  for (int q = 0; q < 4; ++q) {
    _mm512_store_si512(codes + q * 64, values.low(word[q]));
    _mm512_store_si512(codes + (4 + q) * 64, values.high(word[q]));
  }
}
