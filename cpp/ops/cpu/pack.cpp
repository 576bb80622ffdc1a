#include "ops/cpu/pack.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "base/error.h"

namespace ossnb {

namespace {

int n_tiles(std::int64_t rows, int of = kQ8Rows) { return static_cast<int>((rows + of - 1) / of); }

// A double as a float that is not smaller.
float rounded_up(double v) {
  const auto f = static_cast<float>(v);
  return f < v ? std::nextafter(f, std::numeric_limits<float>::infinity()) : f;
}

// |w - q| and |q| of row r of a tile, where q is the tile's value.
void row_norms(const bf16* w, int k, const std::uint8_t* tile, int r, float* norms) {
  constexpr int kSums = 4;  // side by side, so that no addition waits for the last one
  double lost[kSums] = {}, kept[kSums] = {};
  for (int g = 0; g < k / kGroup; ++g, tile += kQ6Group) {
    const double scale = bf16_to_f32(reinterpret_cast<const bf16*>(tile + kQ6Codes)[r]) / 2;
    std::int8_t codes[kGroup];
    q6_codes(tile, r, codes);
    for (int j = 0; j < kGroup; ++j) {
      const double q = codes[j] * scale, difference = bf16_to_f32(w[g * kGroup + j]) - q;
      lost[j % kSums] += difference * difference;
      kept[j % kSums] += q * q;
    }
  }
  const auto norm = [](const double (&s)[kSums]) {
    return rounded_up(std::sqrt((s[0] + s[1]) + (s[2] + s[3])));
  };
  norms[0] = norm(lost);
  norms[1] = norm(kept);
}

// The sixteen most frequent high bytes of w; of equals the lower.
void frequent_high_bytes(const bf16* w, std::size_t n, std::uint8_t* high, ThreadPool& pool) {
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  const auto n_pieces = static_cast<int>((n + kPiece - 1) / kPiece);
  std::vector<std::array<std::uint32_t, 256>> counts(n_pieces);
  pool.parallel_for(n_pieces, [&](int p, int) {
    std::array<std::uint32_t, 256> some[4] =
        {};  // in turn: neighbours are often alike, and would wait for each other
    for (std::size_t i = p * kPiece; i < std::min(n, (p + 1) * kPiece); ++i) ++some[i % 4][w[i] >> 8];
    for (int b = 0; b < 256; ++b) counts[p][b] = some[0][b] + some[1][b] + some[2][b] + some[3][b];
  });
  std::array<std::size_t, 256> count{};
  for (const auto& piece : counts) {
    for (int b = 0; b < 256; ++b) count[b] += piece[b];
  }
  std::array<std::uint8_t, 256> byte;
  std::iota(byte.begin(), byte.end(), 0);
  std::stable_sort(byte.begin(), byte.end(), [&](int a, int b) { return count[a] > count[b]; });
  std::copy_n(byte.begin(), 16, high);
}

[[noreturn]] void refuse(const std::string& name, const char* suffix) {
  throw ValueError(name + suffix + " does not fit " + name +
                   ": it was derived from another model; clear the cache with `ossnb cache --clear`");
}

}  // namespace

PackedCopies::PackedCopies(const Config& c, const Weights::Find& find) {
  read(find, "lm_head.weight", c.vocab_size, c.hidden_size);
  for (int l = 0; l < c.num_hidden_layers; ++l) {
    const std::string attn = "model.layers." + std::to_string(l) + ".self_attn.";
    read(find, attn + "q_proj.weight", c.q_size(), c.hidden_size);
    read(find, attn + "k_proj.weight", c.kv_size(), c.hidden_size);
    read(find, attn + "v_proj.weight", c.kv_size(), c.hidden_size);
    read(find, attn + "o_proj.weight", c.hidden_size, c.q_size());
  }
}

void PackedCopies::read(const Weights::Find& find, const std::string& name, std::int64_t rows,
                        std::int64_t k) {
  constexpr std::int64_t kAny = -1;
  const auto optional = [&](const char* suffix, int item_bytes, const std::vector<std::int64_t>& shape) {
    Tensor tensor = find(name + suffix);
    if (!tensor.data) return tensor;
    bool fits = tensor.item_bytes == item_bytes && tensor.shape.size() == shape.size();
    for (std::size_t i = 0; fits && i < shape.size(); ++i)
      fits = shape[i] == kAny || tensor.shape[i] == shape[i];
    if (!fits) refuse(name, suffix);
    return tensor;
  };
  Packed packed;
  if (k % kGroup == 0) {
    const int width = static_cast<int>(k);
    const auto q8_bytes = static_cast<std::int64_t>(q8_tile_bytes(width));
    packed.q8 = static_cast<const std::uint8_t*>(optional(".q8", 1, {n_tiles(rows), q8_bytes}).data);

    const auto q6_bytes = static_cast<std::int64_t>(q6_tile_bytes(width));
    packed.q6 = static_cast<const std::uint8_t*>(optional(".q6", 1, {n_tiles(rows), q6_bytes}).data);
    packed.q6_norms = static_cast<const float*>(optional(".q6_norms", 4, {rows, 2}).data);

    const auto bf12_bytes = static_cast<std::int64_t>(bf12_tile_bytes(width));
    const Tensor tiles = optional(".bf12", 1, {n_tiles(rows, kBf12Rows), bf12_bytes});
    const Tensor high = optional(".bf12_high", 1, {16}), rare = optional(".bf12_rare", 4, {kAny, 2});
    if (tiles.data && high.data && rare.data) {
      packed.bf12 = {static_cast<const std::uint8_t*>(tiles.data),
                     static_cast<const std::uint8_t*>(high.data), static_cast<const Bf12::Rare*>(rare.data),
                     static_cast<int>(rare.shape[0])};
    }
  }
  by_matrix_[static_cast<const bf16*>(find(name).data)] = packed;
}

Packed PackedCopies::of(const bf16* stored) const {
  const auto found = by_matrix_.find(stored);
  return found == by_matrix_.end() ? Packed{} : found->second;
}

void pack_q8(const kernels::Table& kernels, const bf16* w, int n_rows, int k, std::uint8_t* tiles,
             ThreadPool& pool) {
  pool.parallel_for(n_tiles(n_rows), [&](int i, int) {
    const int row = i * kQ8Rows;
    kernels.q8_pack(w + static_cast<std::size_t>(row) * k, std::min(kQ8Rows, n_rows - row), k,
                    tiles + i * q8_tile_bytes(k));
  });
}

void pack_q6(const kernels::Table& kernels, const bf16* w, int n_rows, int k, std::uint8_t* tiles,
             float* norms, ThreadPool& pool) {
  pool.parallel_for(n_tiles(n_rows), [&](int i, int) {
    const int row = i * kQ8Rows, n = std::min(kQ8Rows, n_rows - row);
    const bf16* rows = w + static_cast<std::size_t>(row) * k;
    std::uint8_t* tile = tiles + i * q6_tile_bytes(k);
    kernels.q6_pack(rows, n, k, tile);
    for (int r = 0; r < n; ++r) {
      row_norms(rows + static_cast<std::size_t>(r) * k, k, tile, r,
                norms + 2 * static_cast<std::size_t>(row + r));
    }
  });
}

std::optional<std::vector<Bf12::Rare>> pack_bf12(const bf16* w, int n_rows, int k, std::uint8_t* tiles,
                                                 std::uint8_t* high, ThreadPool& pool) {
  constexpr int kLeastPerRare = 64;  // weights to one outside the table; with fewer, packing does not pay
  const std::size_t n = static_cast<std::size_t>(n_rows) * k;
  frequent_high_bytes(w, n, high, pool);
  std::array<std::int8_t, 256> pointer;
  pointer.fill(-1);
  for (int i = 15; i >= 0; --i) pointer[high[i]] = static_cast<std::int8_t>(i);

  const int n_all = n_tiles(n_rows, kBf12Rows);
  std::vector<std::vector<Bf12::Rare>> rare(n_all);
  pool.parallel_for(n_all, [&](int t, int) {
    std::uint8_t* group = tiles + t * bf12_tile_bytes(k);
    std::memset(group, 0, bf12_tile_bytes(k));
    for (int i = 0; i < k; ++i) {
      if (i > 0 && i % kGroup == 0) group += kBf12Group;
      const int place = bf12_place(i % kGroup);
      for (int r = 0; r < std::min(kBf12Rows, n_rows - t * kBf12Rows); ++r) {
        const bf16 value = w[(static_cast<std::size_t>(t) * kBf12Rows + r) * k + i];
        const int found = pointer[value >> 8];
        if (found < 0) rare[t].push_back({(static_cast<std::uint32_t>(t) * k + i) * kBf12Rows + r, value});
        group[r * kGroup + place] = static_cast<std::uint8_t>(value);
        group[kBf12Rows * kGroup + r * kGroup / 2 + place % 16] |= std::max(0, found) << (place / 16 * 4);
      }
    }
  });
  std::vector<Bf12::Rare> all;
  for (const auto& some : rare) all.insert(all.end(), some.begin(), some.end());
  if (all.size() > n / kLeastPerRare) return {};
  return all;
}

}  // namespace ossnb
