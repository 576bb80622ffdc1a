// Activations as integers, for expert products and, in fast, for dense products.
#pragma once

#include <cstddef>
#include <cstdint>

#include "format/mxfp4.h"

namespace ossnb {

// The number of int8 terms that hold an activation. Three have 23 bits, float32's own grade (precision
// exact). One has 8 bits, as in other programs (precision fast).
enum class Terms { one = 1, three = 3 };

// A row of activations quantised in groups of 32, x = unit * v.
//   three: unit = 2^(e-22), e the exponent of the group's largest magnitude; v = 65536 * t0 + 256 * t1 + t2.
//   one:   unit = largest / n, n the one of 127 .. 120 that loses least in rounding; v = t0.
// Even and odd inputs lie apart, as the two nibbles of a weight byte do.
struct QuantLayout {
  int n_terms;
  int n_groups;     // K / 32
  int n_stored;     // rounded up to 16 groups; the rest is zero
  int term_stride;  // bytes from one term to the next: two halves (even, odd inputs) of n_stored * 16
  int half_stride;
  int sum_offset;     // int32 [n_stored]: -sum(v) of the group, which undoes the lift of unsigned codes
  int scale_offset;   // float [n_stored]: unit / 2, since codes of MXFP4 are twice their value
  std::size_t bytes;  // of one row, a multiple of 64

  constexpr QuantLayout(int k, Terms terms)
      : n_terms(static_cast<int>(terms)),
        n_groups(k / kGroup),
        n_stored((n_groups + 15) / 16 * 16),
        term_stride(n_stored * 32),
        half_stride(n_stored * 16),
        sum_offset(term_stride * n_terms),
        scale_offset(sum_offset + n_stored * 4),
        bytes(static_cast<std::size_t>(scale_offset) + n_stored * 4) {}
};

// Rows of quantised activations, picked by index: the tokens that an expert serves.
struct QuantRows {
  const std::uint8_t* data;   // [*, layout.bytes]
  const std::int32_t* index;  // [n]
  int n;
  const std::uint8_t* row(int t, std::size_t bytes) const { return data + index[t] * bytes; }
};

}  // namespace ossnb
