// bf12: bfloat16 in 12 bits a weight, without loss, for the attention of precision exact.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "format/dtype.h"
#include "format/mxfp4.h"

namespace ossnb {

// bf12: a bf16 matrix in 12 bits a weight, without loss. The high byte of a weight is its sign and the upper
// seven bits of its exponent, and takes few values. Four bits point into a table of the sixteen most frequent
// high bytes, and the low byte stays as it is. The few weights with another high byte are listed. A tile has
// four rows. Each group of 32 inputs has the low bytes [4, 32], then the pointers [4, 16], two in a byte: one
// stream of 192 bytes, three lines of a cache, for all four rows.
constexpr int kBf12Rows = 4, kBf12Group = kBf12Rows * (kGroup + kGroup / 2);
OSSNB_BOTH constexpr std::size_t bf12_tile_bytes(int k) {
  return static_cast<std::size_t>(k / kGroup) * kBf12Group;
}

// The place of input j's low byte in its group. The pointers have the same order (places 0..15 in the lower
// halves of the 16 bytes, 16..31 in the upper ones). So unpacking within 16-byte lanes gives the inputs in
// order.
constexpr int bf12_place(int j) { return j % 8 / 4 * 16 + j / 8 * 4 + j % 4; }

struct Bf12 {
  struct Rare {
    std::uint32_t at;     // (tile * K + input) * 4 + row of the tile
    std::uint32_t value;  // bf16
  };
  const std::uint8_t* tiles = nullptr;
  const std::uint8_t* high = nullptr;  // [16]
  const Rare* rare = nullptr;          // [n_rare], rising
  int n_rare = 0;

  // The first rare weight that is not before `row`, the first row of a tile.
  const Rare* rare_from(int row, int k) const {
    return std::lower_bound(rare, rare + n_rare, static_cast<std::uint32_t>(row) * k,
                            [](const Rare& r, std::uint32_t at) { return r.at < at; });
  }
};

}  // namespace ossnb
