// AVX-512, VNNI and AMX on a machine that has AVX2 alone: this header stands before the compiler's own. SIMDe
// (Debian: libsimde-dev) emulates most of AVX-512. What version 0.7.4 lacks is below, lane by lane, and so
// are the tiles of AMX.
#pragma once

#include_next <immintrin.h>

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace ossnb::emulated {

// A register as an array.
template <class Lane, class Register>
struct Lanes {
  static constexpr int n = sizeof(Register) / sizeof(Lane);
  Lane lane[n];

  Lanes() : lane{} {}
  explicit Lanes(Register r) { std::memcpy(lane, &r, sizeof lane); }
  Register whole() const {
    Register r;
    std::memcpy(&r, lane, sizeof r);
    return r;
  }
};

template <class From, class To, class ToRegister, class FromRegister, class F>
ToRegister each(FromRegister from, F f) {
  const Lanes<From, FromRegister> in(from);
  Lanes<To, ToRegister> out;
  for (int i = 0; i < std::min(in.n, out.n); ++i) out.lane[i] = f(in.lane[i]);
  return out.whole();
}

inline __m512 cvtepi32_ps(__m512i v) {
  return each<std::int32_t, float, __m512>(v, [](std::int32_t x) { return static_cast<float>(x); });
}
inline __m512i cvtps_epi32(__m512 v) {  // to the nearest, ties to even
  return each<float, std::int32_t, __m512i>(v, [](float x) { return _mm_cvtss_si32(_mm_set_ss(x)); });
}
inline __m512i cvtepu8_epi32(__m128i v) {
  return each<std::uint8_t, std::int32_t, __m512i>(v, [](std::uint8_t x) { return x; });
}
inline __m512i cvtepu16_epi32(__m256i v) {
  return each<std::uint16_t, std::int32_t, __m512i>(v, [](std::uint16_t x) { return x; });
}
inline __m128i cvtepi32_epi8(__m512i v) {
  return each<std::int32_t, std::int8_t, __m128i>(v,
                                                  [](std::int32_t x) { return static_cast<std::int8_t>(x); });
}
inline __m512i shuffle_i64x2(__m512i a, __m512i b, int imm) {
  const Lanes<__m128i, __m512i> from[2] = {Lanes<__m128i, __m512i>(a), Lanes<__m128i, __m512i>(b)};
  Lanes<__m128i, __m512i> out;
  for (int i = 0; i < 4; ++i) out.lane[i] = from[i / 2].lane[imm >> (2 * i) & 3];
  return out.whole();
}
inline __m512i broadcast_i64x2(__m128i v) {
  Lanes<__m128i, __m512i> out;
  for (__m128i& lane : out.lane) lane = v;
  return out.whole();
}
inline __m256 extractf32x8_ps(__m512 v, int half) { return Lanes<__m256, __m512>(v).lane[half]; }

// Bytes and floats that a mask leaves out are not touched: they may lie behind the end of a page.
template <class Register, class Mask>
Register maskz_loadu_epi8(Mask mask, const void* from) {
  Lanes<std::uint8_t, Register> out;
  for (int i = 0; i < out.n; ++i) {
    if (mask >> i & 1) out.lane[i] = static_cast<const std::uint8_t*>(from)[i];
  }
  return out.whole();
}
inline void mask_storeu_ps(float* to, __mmask16 mask, __m512 v) {
  const Lanes<float, __m512> in(v);
  for (int i = 0; i < in.n; ++i) {
    if (mask >> i & 1) to[i] = in.lane[i];
  }
}

// Unsigned bytes of a times signed bytes of b, four to a sum.
inline __m256i dpbusd(__m256i sum, __m256i a, __m256i b) {
  const Lanes<std::uint8_t, __m256i> as(a);
  const Lanes<std::int8_t, __m256i> bs(b);
  Lanes<std::int32_t, __m256i> out(sum);
  for (int i = 0; i < 4 * out.n; ++i) out.lane[i / 4] += as.lane[i] * bs.lane[i];
  return out.whole();
}

struct TileShapes {
  std::uint8_t palette, start_row, reserved[14];
  std::uint16_t row_bytes[16];
  std::uint8_t rows[16];
};
struct Tiles {
  TileShapes shape;
  std::int8_t bytes[8][16][64];
};
inline thread_local Tiles tiles;

inline void tile_loadconfig(const void* shapes) {
  std::memset(&tiles, 0, sizeof tiles);
  std::memcpy(&tiles.shape, shapes, sizeof tiles.shape);
}
inline void tile_zero(int t) { std::memset(tiles.bytes[t], 0, sizeof tiles.bytes[t]); }
inline void tile_loadd(int t, const void* from, std::size_t stride) {
  tile_zero(t);
  for (int r = 0; r < tiles.shape.rows[t]; ++r)
    std::memcpy(tiles.bytes[t][r], static_cast<const char*>(from) + r * stride, tiles.shape.row_bytes[t]);
}
inline void tile_stored(int t, void* to, std::size_t stride) {
  for (int r = 0; r < tiles.shape.rows[t]; ++r)
    std::memcpy(static_cast<char*>(to) + r * stride, tiles.bytes[t][r], tiles.shape.row_bytes[t]);
}
inline void tile_dpbssd(int to, int a, int b) {
  const TileShapes& shape = tiles.shape;
  for (int m = 0; m < shape.rows[to]; ++m) {
    for (int n = 0; n < shape.row_bytes[to] / 4; ++n) {
      std::int32_t sum;
      std::memcpy(&sum, tiles.bytes[to][m] + 4 * n, 4);
      for (int k = 0; k < shape.row_bytes[a]; ++k)
        sum += tiles.bytes[a][m][k] * tiles.bytes[b][k / 4][4 * n + k % 4];
      std::memcpy(tiles.bytes[to][m] + 4 * n, &sum, 4);
    }
  }
}

}  // namespace ossnb::emulated

#undef _mm512_madd_epi16
#define _mm512_madd_epi16 simde_mm512_madd_epi16
#define _mm512_cvtepi32_ps ossnb::emulated::cvtepi32_ps
#define _mm512_cvtps_epi32 ossnb::emulated::cvtps_epi32
#define _mm512_cvtepu8_epi32 ossnb::emulated::cvtepu8_epi32
#define _mm512_cvtepu16_epi32 ossnb::emulated::cvtepu16_epi32
#define _mm512_cvtepi32_epi8 ossnb::emulated::cvtepi32_epi8
#undef _mm512_shuffle_i64x2
#define _mm512_shuffle_i64x2 ossnb::emulated::shuffle_i64x2
#define _mm512_broadcast_i64x2 ossnb::emulated::broadcast_i64x2
#undef _mm512_extractf32x8_ps
#define _mm512_extractf32x8_ps ossnb::emulated::extractf32x8_ps
#define _mm512_maskz_loadu_epi8 ossnb::emulated::maskz_loadu_epi8<__m512i>
#define _mm_maskz_loadu_epi8 ossnb::emulated::maskz_loadu_epi8<__m128i>
#define _mm512_mask_storeu_ps ossnb::emulated::mask_storeu_ps
#undef _mm256_dpbusd_avx_epi32
#define _mm256_dpbusd_avx_epi32 ossnb::emulated::dpbusd
#undef _tile_loadconfig
#define _tile_loadconfig ossnb::emulated::tile_loadconfig
#undef _tile_release
#define _tile_release() (void)0
#undef _tile_zero
#define _tile_zero ossnb::emulated::tile_zero
#undef _tile_loadd
#define _tile_loadd ossnb::emulated::tile_loadd
#undef _tile_stored
#define _tile_stored ossnb::emulated::tile_stored
#undef _tile_dpbssd
#define _tile_dpbssd ossnb::emulated::tile_dpbssd
