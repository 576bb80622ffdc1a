// Descriptions of the CPU's packings, for the code that keeps them.
#include <cstring>

#include "ops/cpu/pack.h"

namespace ossnb {

namespace {

constexpr int kPieceRows = 4096;

using Shape = std::vector<std::int64_t>;

PackedArray array(const char* suffix, const char* dtype, int item_bytes, Shape shape) {
  PackedArray made{.suffix = suffix, .dtype = dtype, .shape = std::move(shape), .data = {}};
  made.n_bytes = item_bytes;
  for (const std::int64_t n : made.shape) made.n_bytes *= n;
  made.data.reserve(made.n_bytes);
  return made;
}

std::int64_t n_tiles(std::int64_t rows, int tile_rows) { return (rows + tile_rows - 1) / tile_rows; }

PackedArray tiles(const char* suffix, int rows, int tile_rows, std::size_t tile_bytes) {
  return array(suffix, "U8", 1, {n_tiles(rows, tile_rows), static_cast<std::int64_t>(tile_bytes)});
}

std::vector<PackedArray> screen_arrays(const bf16* w, int rows, int k, ThreadPool& pool) {
  std::vector<PackedArray> arrays;
  arrays.push_back(tiles(".q6", rows, kQ8Rows, q6_tile_bytes(k)));
  arrays.push_back(array(".q6_norms", "F32", sizeof(float), {rows, 2}));
  auto* norms = reinterpret_cast<float*>(arrays[1].data.data());
  pack_q6(kernels::choose(""), w, rows, k, arrays[0].data.data(), norms, pool);
  return arrays;
}

std::vector<PackedArray> q8_arrays(const bf16* w, int rows, int k, ThreadPool& pool) {
  std::vector<PackedArray> arrays;
  arrays.push_back(tiles(".q8", rows, kQ8Rows, q8_tile_bytes(k)));
  pack_q8(kernels::choose(""), w, rows, k, arrays[0].data.data(), pool);
  return arrays;
}

// The arrays of bf12. Where packing does not pay, the table of high bytes alone.
std::vector<PackedArray> bf12_arrays(const bf16* w, int rows, int k, ThreadPool& pool) {
  PackedArray packed = tiles(".bf12", rows, kBf12Rows, bf12_tile_bytes(k)),
              high = array(".bf12_high", "U8", 1, {16});
  const auto rare = pack_bf12(w, rows, k, packed.data.data(), high.data.data(), pool);
  std::vector<PackedArray> arrays;
  if (!rare) {
    arrays.push_back(std::move(high));
    return arrays;
  }
  PackedArray listed =
      array(".bf12_rare", "U32", sizeof(std::uint32_t), {static_cast<std::int64_t>(rare->size()), 2});
  static_assert(sizeof(Bf12::Rare) == 2 * sizeof(std::uint32_t));
  if (!rare->empty()) std::memcpy(listed.data.data(), rare->data(), listed.n_bytes);
  arrays.push_back(std::move(packed));
  arrays.push_back(std::move(high));
  arrays.push_back(std::move(listed));
  return arrays;
}

// q, k, v and, where its inputs come in whole groups, o.
std::vector<std::string> attention_matrices(const Config& c) {
  std::vector<std::string> names;
  for (int layer = 0; layer < c.num_hidden_layers; ++layer) {
    for (const char part : std::string(c.q_size() % kGroup == 0 ? "qkvo" : "qkv")) {
      names.push_back("model.layers." + std::to_string(layer) + ".self_attn." + part + "_proj.weight");
    }
  }
  return names;
}

}  // namespace

std::vector<Packing> cpu_packings(const Config& config, Precision precision) {
  const char* in_full = "every token reads more bytes than it needs";
  const Packing screen = {
      .name = "screen",
      .text = "a screen of the output layer",
      .without = in_full,
      .sources = {"lm_head.weight"},
      .tiles = ".q6",
      .piece_rows = kPieceRows,
      .n_bytes = [](std::int64_t rows, int k) { return n_tiles(rows, kQ8Rows) * q6_tile_bytes(k); },
      .pack = screen_arrays};
  if (precision == Precision::exact) {
    return {
        screen,
        {.name = "bf12_attention",
         .text = "the attention matrices in 12 bits",
         .without = in_full,
         .sources = attention_matrices(config),
         .tiles = ".bf12",
         .piece_rows = 0,  // one table for the whole matrix
         .n_bytes = [](std::int64_t rows, int k) { return n_tiles(rows, kBf12Rows) * bf12_tile_bytes(k); },
         .pack = bf12_arrays}};
  }
  return {screen,
          {.name = "q8_attention",
           .text = "the attention matrices in 8 bits",
           .without = "packed at every load, in memory of this process's own",
           .sources = attention_matrices(config),
           .tiles = ".q8",
           .piece_rows = kPieceRows,
           .n_bytes = [](std::int64_t rows, int k) { return n_tiles(rows, kQ8Rows) * q8_tile_bytes(k); },
           .pack = q8_arrays}};
}

}  // namespace ossnb
