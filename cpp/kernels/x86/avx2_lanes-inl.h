// Sixteen lanes in two registers of AVX2, and the functions that its kernels share. Included inside a target
// region and a namespace.

constexpr int kSums = 12, kRows = 4, kTokens = 3, kHeads = 4, kScoreTiles = 1, kWidth = 1,
              kPrefetchBf16 = 512, kPrefetchBf12 = 2048, kPrefetchBf12Level = 1;

#include "kernels/x86/trees-inl.h"

struct V {
  struct Part {
    __m256 v;
    static Part load(const float* p) { return {_mm256_loadu_ps(p)}; }
    static Part load_bf16(const bf16* p) { return {widen(p)}; }
    static void store(float* p, Part a) { _mm256_storeu_ps(p, a.v); }
    static Part fma(Part a, Part b, Part c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
  };
  static constexpr int kPartLanes = 8;

  __m256 lo, hi;
  static V zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static V set1(float f) { return {_mm256_set1_ps(f), _mm256_set1_ps(f)}; }
  static V load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  // Even and odd places of 32 numbers.
  static void load_pairs(const float* p, V& even, V& odd) {
    const auto sixteen = [](const float* at, __m256& e, __m256& o) {
      const __m256 a = _mm256_loadu_ps(at), b = _mm256_loadu_ps(at + 8);
      const __m256 lo = _mm256_permute2f128_ps(a, b, 0x20), hi = _mm256_permute2f128_ps(a, b, 0x31);
      e = _mm256_shuffle_ps(lo, hi, 0x88);  // within halves: places 0, 2 of lo and of hi
      o = _mm256_shuffle_ps(lo, hi, 0xdd);
    };
    sixteen(p, even.lo, odd.lo);
    sixteen(p + 16, even.hi, odd.hi);
  }
  // The low bytes of 32 integers, of even and of odd places.
  static void store_low_bytes(const std::int32_t* p, std::uint8_t* even, std::uint8_t* odd) {
    V e, o;
    load_pairs(reinterpret_cast<const float*>(p), e, o);
    const auto store16 = [](std::uint8_t* to, V v) {
      const __m256i low = _mm256_set1_epi32(255);
      const __m256i a = _mm256_and_si256(_mm256_castps_si256(v.lo), low);
      const __m256i b = _mm256_and_si256(_mm256_castps_si256(v.hi), low);
      const __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(a, b), 0xd8);
      const __m128i bytes =
          _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to), bytes);
    };
    store16(even, e);
    store16(odd, o);
  }
  static __m256 widen(const bf16* p) {
    const __m256i w = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(w, 16));
  }
  static V load_bf16(const bf16* p) { return {widen(p), widen(p + 8)}; }
  static void store(float* p, V v) {
    _mm256_storeu_ps(p, v.lo);
    _mm256_storeu_ps(p + 8, v.hi);
  }
  static V fma(V a, V b, V c) {
    return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
  }
  static V add(V a, V b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
  static V sub(V a, V b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
  static V mul(V a, V b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
  static V div(V a, V b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
  static V min(V a, V b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
  static V max(V a, V b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
  static float tree(V a) {
    const __m256 eight = _mm256_add_ps(a.lo, a.hi);
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
  }
  // tree() of each of eight.
  static void trees(const V (&v)[8], float* out) {
    sum_eights([&](int i) { return _mm256_add_ps(v[i].lo, v[i].hi); }, out);
  }
  static V nearest(V a) {
    constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    return {_mm256_round_ps(a.lo, kNearest), _mm256_round_ps(a.hi, kNearest)};
  }
  static void store_nearest_int(std::int32_t* p, V a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_cvtps_epi32(a.lo));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), _mm256_cvtps_epi32(a.hi));
  }
  static __m256 pow2_half(__m256 n) {
    const __m256i e = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(e, 23));
  }
  static V pow2(V n) { return {pow2_half(n.lo), pow2_half(n.hi)}; }
  static V greater_or_zero(V x, V limit, V v) {
    return {_mm256_and_ps(_mm256_cmp_ps(x.lo, limit.lo, _CMP_GT_OQ), v.lo),
            _mm256_and_ps(_mm256_cmp_ps(x.hi, limit.hi, _CMP_GT_OQ), v.hi)};
  }
};

static inline __m256i broadcast4(const std::uint8_t* p) {
  std::int32_t word;
  std::memcpy(&word, p, 4);
  return _mm256_set1_epi32(word);
}

// Holds a value in its register: left alone, the compiler loads weights again for each token and reorders
// sums until they no longer fit the registers.
static inline void pin(__m256i& v) { asm volatile("" : "+x"(v)); }
