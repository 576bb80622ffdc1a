// Constants that every level must share to give the same bits.
#pragma once

#include <cstdint>

namespace ossnb::kernels {

// quantize(): exponents are biased float32 exponents. The smallest is raised so that every scale stays a
// normal number. Activations below 2^-76 of that group then lose bits that are too small to matter.
constexpr std::int32_t kMinExponent = 50;
constexpr std::int32_t kToIntBias = 127 + 22 + 126;      // 2^(22 - (exponent - 126))
constexpr std::int32_t kScaleBias = 126 + 22 + 1 - 127;  // 2^((exponent - 126) - 22) / 2

// quantize() in one term: kTop / largest must stay finite.
constexpr float kSmallestLargest = 1e-30f;

// An int8 scale is the one of a few candidates with which a group's 32 roundings lose least. The candidates
// of activations have kTop down to kLeastTop units to the largest activation. Those of weights are the least
// bfloat16 scale that holds the group, and the next larger ones.
constexpr int kTop = 127, kLeastTop = 120;
constexpr int kWeightScales = 12, kQ8Top = 127, kQ6Top = 31;

// exp(): below kExpMin the result is zero, above kExpMax it stays at exp(kExpMax). ln 2 is split so that n *
// kLn2High is exact. The polynomial is (exp(r) - 1 - r) / r^2 on |r| <= ln(2)/2, highest power first (Cephes'
// expf has the same degree).
constexpr float kExpMin = -87.0f;
constexpr float kExpMax = 88.0f;
constexpr float kLog2E = 1.44269504088896341f;
constexpr float kLn2High = 0.693359375f;
constexpr float kLn2Low = -2.12194440e-4f;
constexpr float kExpPoly[6] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                               4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};

}  // namespace ossnb::kernels
