#include "ops/derive.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/error.h"

namespace ossnb {

namespace {

int n_tiles(std::int64_t rows) { return static_cast<int>((rows + kernels::kQ8Rows - 1) / kernels::kQ8Rows); }

// A double as a float that is not smaller.
float rounded_up(double v) {
  const auto f = static_cast<float>(v);
  return f < v ? std::nextafter(f, std::numeric_limits<float>::infinity()) : f;
}

// |w - q| and |q| of row r of a tile, where q is what the tile says.
void row_norms(const bf16* w, int k, const std::uint8_t* tile, int r, float* norms) {
  const auto* scales =
      reinterpret_cast<const bf16*>(tile + static_cast<std::size_t>(k / kGroup) * kernels::kQ8Rows * kGroup);
  double lost = 0, kept = 0;
  for (int g = 0; g < k / kGroup; ++g) {
    const double scale = bf16_to_f32(scales[g * kernels::kQ8Rows + r]) / 2;
    for (int j = 0; j < kGroup; ++j) {
      const int word = (j & 1) * 4 + j / 8, byte = j / 2 % 4;
      const int code = tile[((g * 8 + word) * kernels::kQ8Rows + r) * 4 + byte] - kernels::kQ8Lift;
      const double q = code * scale, difference = bf16_to_f32(w[g * kGroup + j]) - q;
      lost += difference * difference;
      kept += q * q;
    }
  }
  norms[0] = rounded_up(std::sqrt(lost));
  norms[1] = rounded_up(std::sqrt(kept));
}

std::uint64_t mixed(std::uint64_t h, std::uint64_t word) {
  h = (h + word) * 0x9E3779B97F4A7C15ull;  // odd, so no two words give the same
  return h ^ (h >> 32);
}

std::uint64_t checksum_of_piece(const std::uint8_t* p, std::size_t n) {
  constexpr int kLanes = 8;  // independent, so that one's multiplication hides another's
  std::uint64_t lane[kLanes] = {1, 2, 3, 4, 5, 6, 7, 8}, word[kLanes];
  std::size_t i = 0;
  for (; i + sizeof(word) <= n; i += sizeof(word)) {
    std::memcpy(word, p + i, sizeof(word));
    for (int j = 0; j < kLanes; ++j) lane[j] = mixed(lane[j], word[j]);
  }
  std::uint64_t h = n;
  for (; i < n; ++i) h = mixed(h, p[i]);
  for (const std::uint64_t l : lane) h = mixed(h, l);
  return h;
}

}  // namespace

Derived::Derived(const Config& c, const Weights::Find& find) {
  read(find, "lm_head.weight", c.vocab_size, c.hidden_size);
  for (int l = 0; l < c.num_hidden_layers; ++l) {
    const std::string attn = "model.layers." + std::to_string(l) + ".self_attn.";
    read(find, attn + "q_proj.weight", c.q_size(), c.hidden_size);
    read(find, attn + "k_proj.weight", c.kv_size(), c.hidden_size);
    read(find, attn + "v_proj.weight", c.kv_size(), c.hidden_size);
    read(find, attn + "o_proj.weight", c.hidden_size, c.q_size());
  }
}

void Derived::read(const Weights::Find& find, const std::string& name, std::int64_t rows, std::int64_t k) {
  const auto optional = [&](const char* suffix, int item_bytes, std::vector<std::int64_t> shape) {
    const Tensor tensor = find(name + suffix);
    if (tensor.data && (tensor.item_bytes != item_bytes || tensor.shape != shape)) {
      throw ValueError(name + suffix + " does not fit " + name +
                       ": it was derived from another model; clear the cache with `ossnb cache --clear`");
    }
    return tensor.data;
  };
  Packed packed;
  if (k % kGroup == 0) {
    const auto tile_bytes = static_cast<std::int64_t>(kernels::q8_tile_bytes(static_cast<int>(k)));
    packed.q8 = static_cast<const std::uint8_t*>(optional(".q8", 1, {n_tiles(rows), tile_bytes}));
    packed.q8_norms = static_cast<const float*>(optional(".q8_norms", 4, {rows, 2}));
  }
  by_matrix_[static_cast<const bf16*>(find(name).data)] = packed;
}

Packed Derived::of(const bf16* stored) const {
  const auto found = by_matrix_.find(stored);
  return found == by_matrix_.end() ? Packed{} : found->second;
}

void pack_q8(const kernels::Table& kernels, const bf16* w, int n_rows, int k, std::uint8_t* tiles,
             float* norms, ThreadPool& pool) {
  const std::size_t tile_bytes = kernels::q8_tile_bytes(k);
  pool.parallel_for(n_tiles(n_rows), [&](int i, int) {
    const int row = i * kernels::kQ8Rows, n = std::min(kernels::kQ8Rows, n_rows - row);
    const bf16* rows = w + static_cast<std::size_t>(row) * k;
    std::uint8_t* tile = tiles + i * tile_bytes;
    kernels.q8_pack(rows, n, k, tile);
    for (int r = 0; norms && r < n; ++r) {
      row_norms(rows + static_cast<std::size_t>(r) * k, k, tile, r,
                norms + 2 * static_cast<std::size_t>(row + r));
    }
  });
}

std::uint64_t checksum(const std::uint8_t* data, std::size_t n, ThreadPool& pool) {
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  const std::size_t n_pieces = (n + kPiece - 1) / kPiece;
  std::vector<std::uint64_t> pieces(n_pieces);
  pool.parallel_for(static_cast<int>(n_pieces), [&](int i, int) {
    pieces[i] = checksum_of_piece(data + i * kPiece, std::min(kPiece, n - i * kPiece));
  });
  std::uint64_t h = n;
  for (const std::uint64_t piece : pieces) h = mixed(h, piece);
  return h;
}

}  // namespace ossnb
