// The noise of the Gumbel-max form: a number for each (seed, position, token) that depends on nothing else.
// Double, from IEEE operations alone, so that every machine and every device draws the same.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "choice/random.h"

namespace ossnb {

// The random words of the four tokens `token` / 4 * 4 and up.
OSSNB_BOTH inline std::array<std::uint32_t, 4> noise_words(std::uint64_t seed, std::int64_t position,
                                                           std::int32_t token) {
  return philox(seed, {static_cast<std::uint32_t>(token / 4), static_cast<std::uint32_t>(position),
                       static_cast<std::uint32_t>(position >> 32), 0});
}

// Gumbel noise -log(-log(u)) with u from 32 random bits, never 0 or 1.
OSSNB_BOTH inline double noise_of(std::uint32_t word) {
  const double u = (word + 0.5) * 0x1p-32;
  return -natural_log(-natural_log(u));
}

OSSNB_BOTH inline double noise(std::uint64_t seed, std::int64_t position, std::int32_t token) {
  const auto words = noise_words(seed, position, token);
  // Chosen step by step: an array with an index that is known late goes to a GPU's memory.
  const std::uint32_t first = token % 2 == 0 ? words[0] : words[1];
  const std::uint32_t last = token % 2 == 0 ? words[2] : words[3];
  return noise_of(token % 4 < 2 ? first : last);
}

// An upper bound of noise_of(word), without a logarithm: -log(-log(u)) <= -log(1 - u) <= (leading ones + 1)
// ln 2.
OSSNB_BOTH inline double noise_bound(std::uint32_t word) { return (std::countl_one(word) + 1) * kLn2; }

}  // namespace ossnb
