// bf12 on AVX2, whose unpacking suits the written order of 32 inputs; AVX-512 takes it too.
struct Bf12Widener {
  __m256i high;

  explicit Bf12Widener(const std::uint8_t* table)
      : high(_mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)))) {}

  std::array<V, 2> widen(const std::uint8_t* low, const std::uint8_t* pointers) const {
    const __m256i two =
        _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(pointers)));
    const __m256i one = _mm256_and_si256(_mm256_srlv_epi32(two, _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4)),
                                         _mm256_set1_epi8(15));
    const __m256i l = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(low));
    const __m256i h = _mm256_shuffle_epi8(high, one), zero = _mm256_setzero_si256();
    const __m256i a = _mm256_unpacklo_epi8(l, h), b = _mm256_unpackhi_epi8(l, h);
    return {V::of_halves(_mm256_unpacklo_epi16(zero, a), _mm256_unpackhi_epi16(zero, a)),
            V::of_halves(_mm256_unpacklo_epi16(zero, b), _mm256_unpackhi_epi16(zero, b))};
  }
};
