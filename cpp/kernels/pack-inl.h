// Writes the codes of one group of one row into a Q8 or Q6 tile; codes [32] in the order of inputs. Scalar
// code that every level shares.
static inline void store_q8(const std::int32_t* codes, int g, int r, std::uint8_t* tile) {
  for (int j = 0; j < kGroup; ++j) {
    const int word = (j & 1) * 4 + j / 8, byte = j / 2 % 4;
    tile[((g * 8 + word) * kQ8Rows + r) * 4 + byte] = static_cast<std::uint8_t>(codes[j] + kQ8Lift);
  }
}

static inline void store_q6(const std::int32_t* codes, int r, std::uint8_t* group) {
  constexpr int kWord = kQ8Rows * 4;
  std::uint8_t* at = group + r * 4;
  for (int j = 0; j < kGroup; j += 8) {  // words j / 8 and j / 8 + 4
    for (int byte = 0; byte < 4; ++byte) {
      const auto even = static_cast<std::uint8_t>((codes[j + 2 * byte] + kQ6Lift) & 63);
      const auto odd = static_cast<std::uint8_t>((codes[j + 2 * byte + 1] + kQ6Lift) & 63);
      at[j / 8 * kWord + byte] = static_cast<std::uint8_t>((even & 15) | odd << 4);
      std::uint8_t* upper = at + 4 * kWord + byte;
      if (j == 0) upper[0] = upper[kWord] = 0;
      upper[0] |= even >> 4 << (j / 4);
      upper[kWord] |= odd >> 4 << (j / 4);
    }
  }
}

static void q8_pack(const bf16* w, int n_rows, int k, std::uint8_t* tile) {
  auto* scales = reinterpret_cast<bf16*>(tile + static_cast<std::size_t>(k / kGroup) * kQ8Rows * kGroup);
  pack_tile<kQ8Top>(w, n_rows, k, [=](const std::int32_t* codes, bf16 scale, int g, int r) {
    store_q8(codes, g, r, tile);
    scales[g * kQ8Rows + r] = scale;
  });
}

static void q6_pack(const bf16* w, int n_rows, int k, std::uint8_t* tile) {
  pack_tile<kQ6Top>(w, n_rows, k, [=](const std::int32_t* codes, bf16 scale, int g, int r) {
    std::uint8_t* group = tile + static_cast<std::size_t>(g) * kQ6Group;
    store_q6(codes, r, group);
    reinterpret_cast<bf16*>(group + kQ6Codes)[r] = scale;
  });
}
