// Seeded inputs and a hash of results that are the same on every machine: integers alone, none of <random>'s
// distributions.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "format/dtype.h"
#include "format/mxfp4.h"

namespace ossnb::testing {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {  // SplitMix64
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  int below(int n) { return static_cast<int>((next() >> 33) % n); }
  // A bell from -4 to 4 with a standard deviation of about 1.15: four uniform numbers, added as integers.
  float bell() {
    int sum = 0;
    for (int i = 0; i < 4; ++i) sum += below(1 << 22) - (1 << 21);
    return static_cast<float>(sum) * 0x1p-21f;
  }

  std::vector<float> floats(std::size_t n, float scale = 1) {
    std::vector<float> x(n);
    for (float& v : x) v = bell() * scale;
    return x;
  }
  std::vector<bf16> bf16s(std::size_t n, float scale = 1, float centre = 0) {
    std::vector<bf16> x(n);
    for (bf16& v : x) v = static_cast<bf16>(std::bit_cast<std::uint32_t>(bell() * scale + centre) >> 16);
    return x;
  }
  std::vector<std::uint8_t> bytes(std::size_t n, int low, int high) {
    std::vector<std::uint8_t> x(n);
    for (std::uint8_t& v : x) v = static_cast<std::uint8_t>(low + below(high - low));
    return x;
  }

 private:
  std::uint64_t state_;
};

// FNV-1a over words of 32 bits.
class Hash {
 public:
  void add(std::uint32_t word) { value_ = (value_ ^ word) * 0x100000001b3ull; }
  void add(const float* x, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) add(std::bit_cast<std::uint32_t>(x[i]));
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325ull;
};

}  // namespace ossnb::testing
