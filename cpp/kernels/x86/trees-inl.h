// V::trees() of both x86 widths: the sums of eight vectors of eight floats, halves(i), each in the order of
// V::tree(). Included inside a target region and a namespace.
template <class Halves>
static inline void sum_eights(Halves halves, float* out) {
  const auto quarters = [&](int i) {  // of i and i + 4
    const __m256 a = halves(i), b = halves(i + 4);
    return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
  };
  const auto pairs = [&](int i) {  // of i and i + 1, i + 4 and i + 5
    const __m256d a = _mm256_castps_pd(quarters(i)), b = _mm256_castps_pd(quarters(i + 1));
    return _mm256_add_ps(_mm256_castpd_ps(_mm256_unpacklo_pd(a, b)),
                         _mm256_castpd_ps(_mm256_unpackhi_pd(a, b)));
  };
  const __m256 a = pairs(0), b = pairs(2);
  _mm256_storeu_ps(out, _mm256_add_ps(_mm256_shuffle_ps(a, b, 0x88), _mm256_shuffle_ps(a, b, 0xdd)));
}
