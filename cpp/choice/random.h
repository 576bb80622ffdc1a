// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): a counter-based
// generator, so the number drawn for (seed, position, token) does not depend on earlier draws. And a
// logarithm from IEEE operations alone, so that every machine draws the same.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "base/both.h"

namespace ossnb {

OSSNB_BOTH inline std::array<std::uint32_t, 4> philox(std::uint64_t key,
                                                      std::array<std::uint32_t, 4> counter) {
  std::uint32_t k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * counter[0],
                        p1 = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ k0, static_cast<std::uint32_t>(p1),
               static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ k1, static_cast<std::uint32_t>(p0)};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return counter;
}

constexpr double kLn2 = 0.69314718055994530942;

// Natural logarithm of a positive normal number: 2 atanh((m - 1) / (m + 1)) + e ln 2, error below 1e-15
// relative.
OSSNB_BOTH inline double natural_log(double x) {
  auto bits = std::bit_cast<std::uint64_t>(x);
  int e = static_cast<int>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0xfffffffffffffull) | 0x3ff0000000000000ull);  // [1, 2)
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++e;
  }
  const double s = (m - 1) / (m + 1), s2 = s * s;
  double sum = 0;
  for (int n = 21; n >= 1; n -= 2) sum = sum * s2 + 1.0 / n;
  return 2 * s * sum + e * kLn2;
}

}  // namespace ossnb
