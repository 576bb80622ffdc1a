// One kernel at work on many tokens, for a tool that counts instructions.
#include "work.h"

#include <cstdio>
#include <cstring>
#include <functional>
#include <numeric>
#include <string>

#include "kernels/kernels.h"
#include "ops/cpu/pack.h"
#include "seeded.h"

namespace ossnb::testing {
namespace {

using kernels::Table;

constexpr int kWidth = 2880, kRows = 32, kTokens = 24;

struct Work {
  double multiply_adds;  // of a round
  std::function<void()> round;
};

std::vector<std::uint8_t> quantized_tokens(const Table& level, Terms terms) {
  Random random(1);
  const QuantLayout layout(kWidth, terms);
  const std::vector<float> x = random.floats(kTokens * kWidth);
  std::vector<std::uint8_t> q(kTokens * layout.bytes);
  for (int t = 0; t < kTokens; ++t)
    level.integer(terms).quantize(x.data() + t * kWidth, kWidth, q.data() + t * layout.bytes);
  return q;
}

std::vector<std::int32_t> in_order() {
  std::vector<std::int32_t> index(kTokens);
  std::iota(index.begin(), index.end(), 0);
  return index;
}

Work mxfp4(const Table& level, Terms terms) {
  Random random(2);
  return {1.0 * kRows * kWidth * kTokens,
          [=, &level, blocks = random.bytes(kRows * kWidth / 2, 0, 256),
           scales = random.bytes(kRows * kWidth / kGroup, 120, 130), q = quantized_tokens(level, terms),
           index = in_order(), y = std::vector<float>(kRows * kTokens),
           scratch = std::vector<std::uint8_t>(kernels::scratch_bytes(kWidth))]() mutable {
            level.integer(terms).mxfp4_matmul(blocks.data(), scales.data(), kRows, kWidth,
                                              {q.data(), index.data(), kTokens}, y.data(), kRows,
                                              scratch.data());
          }};
}

// Random weights in tiles of kQ8Rows rows, as `pack` makes them.
template <class Pack>
std::vector<std::uint8_t> packed_tiles(std::uint64_t seed, std::size_t tile_bytes, Pack pack) {
  Random random(seed);
  const std::vector<bf16> w = random.bf16s(kRows * kWidth);
  std::vector<std::uint8_t> tiles(kRows / kQ8Rows * tile_bytes);
  for (int r = 0; r < kRows; r += kQ8Rows)
    pack(w.data() + r * kWidth, kQ8Rows, kWidth, tiles.data() + r / kQ8Rows * tile_bytes);
  return tiles;
}

Work q8(const Table& level) {
  const auto tiles = packed_tiles(3, q8_tile_bytes(kWidth), level.q8_pack);
  return {1.0 * kRows * kWidth * kTokens,
          [=, &level, q = quantized_tokens(level, Terms::one), index = in_order(),
           y = std::vector<float>(kRows * kTokens),
           scratch = std::vector<std::uint8_t>(kernels::scratch_bytes(kWidth))]() mutable {
            level.q8_matmul(tiles.data(), kRows, kWidth, {q.data(), index.data(), kTokens}, y.data(), kRows,
                            scratch.data());
          }};
}

Work q6(const Table& level, int n_tokens) {
  const auto tiles = packed_tiles(7, q6_tile_bytes(kWidth), level.q6_pack);
  return {1.0 * kRows * kWidth * n_tokens,
          [=, &level, q = quantized_tokens(level, Terms::one), index = in_order(),
           y = std::vector<float>(kRows * n_tokens),
           scratch = std::vector<std::uint8_t>(kernels::scratch_bytes(kWidth))]() mutable {
            level.q6_matmul(tiles.data(), kRows, kWidth, {q.data(), index.data(), n_tokens}, y.data(), kRows,
                            scratch.data());
          }};
}

Work bf16_dense(const Table& level) {
  Random random(4);
  return {1.0 * kRows * kWidth * kTokens,
          [=, &level, w = random.bf16s(kRows * kWidth), x = random.floats(kTokens * kWidth),
           y = std::vector<float>(kRows * kTokens)]() mutable {
            level.bf16_matmul(w.data(), kRows, kWidth, x.data(), kWidth, kTokens, y.data(), kRows);
          }};
}

Work bf12_of_one_token(const Table& level) {
  Random random(6);
  const std::vector<bf16> w = random.bf16s(kRows * kWidth);
  std::vector<std::uint8_t> tiles(kRows / kBf12Rows * bf12_tile_bytes(kWidth)), high(16);
  ThreadPool pool(1);
  const auto rare = pack_bf12(w.data(), kRows, kWidth, tiles.data(), high.data(), pool);
  return {1.0 * kRows * kWidth,
          [=, &level, x = random.floats(kWidth), y = std::vector<float>(kRows)]() mutable {
            level.bf12_matmul({tiles.data(), high.data(), rare->data(), static_cast<int>(rare->size())}, 0,
                              kRows, kWidth, x.data(), kWidth, 1, y.data(), kRows);
          }};
}

Work attend(const Table& level) {
  constexpr int kHeads = 8, kHeadDim = 64, kQueries = 4, kKeys = 512;
  constexpr KvPart kPart{KvFormat::float32, kKeys, kHeadDim};
  Random random(5);
  return {
      2.0 * kQueries * kHeads * kHeadDim * kKeys,
      [=, &level, q = random.floats(kQueries * kHeads * kHeadDim), keys = random.floats(kKeys * kHeadDim),
       values = random.floats(kKeys * kHeadDim), sinks = random.bf16s(kHeads),
       scratch = std::vector<float>(kernels::attend_scratch_floats(kQueries, kHeads, kPart, 0, kKeys - 1)),
       out = std::vector<float>(kQueries * kHeads * kHeadDim)]() mutable {
        const auto *k = reinterpret_cast<const std::byte*>(keys.data()),
                   *v = reinterpret_cast<const std::byte*>(values.data());
        level.attend({.q = q.data(),
                      .stride = kHeads * kHeadDim,
                      .n_queries = kQueries,
                      .n_heads = kHeads,
                      .head_dim = kHeadDim,
                      .format = kPart.format,
                      .keys = &k,
                      .values = &v,
                      .block_tokens = kKeys,
                      .last = kKeys - kQueries,
                      .window = kKeys,
                      .scale = 0.125f,
                      .sinks = sinks.data(),
                      .scratch = scratch.data(),
                      .out = out.data()});
      }};
}

}  // namespace

bool work(const char* level, const char* kernel, int rounds) {
  const Table& table = kernels::choose(level);
  const std::string name = kernel;
  Work work;
  if (name == "mxfp4_exact") work = mxfp4(table, Terms::three);
  if (name == "mxfp4_fast") work = mxfp4(table, Terms::one);
  if (name == "q8") work = q8(table);
  if (name == "q6") work = q6(table, kTokens);
  if (name == "q6_one") work = q6(table, 1);
  if (name == "bf16") work = bf16_dense(table);
  if (name == "bf12") work = bf12_of_one_token(table);
  if (name == "attend") work = attend(table);
  if (!work.round) return false;
  for (int i = 0; i < rounds; ++i) work.round();
  std::printf("%.0f\n", work.multiply_adds);
  return true;
}

}  // namespace ossnb::testing
