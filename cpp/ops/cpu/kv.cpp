#include "ops/cpu/kv.h"

#include <algorithm>
#include <cstring>

#include "kernels/kernels.h"

namespace ossnb {

namespace {

using kernels::kKeyTile;

// Writes x[0 .. width) to places `step` apart.
void put(const KvPart& part, std::byte* to, std::size_t first, std::size_t step, int slot, const float* x) {
  const auto each = [&](auto* numbers, auto rounded) {
    for (int d = 0; d < part.width; ++d) numbers[first + d * step] = rounded(x[d]);
  };
  if (part.format == KvFormat::float32) {
    each(reinterpret_cast<float*>(to), [](float v) { return v; });
  } else if (part.format == KvFormat::bf16) {
    each(reinterpret_cast<bf16*>(to), f32_to_bf16);
  } else {
    const KvScale s(x, part.width);
    reinterpret_cast<float*>(to + part.scales_at())[slot] = s.scale;
    each(reinterpret_cast<std::int8_t*>(to), [&](float v) { return s.code(v); });
  }
}

}  // namespace

void put_key(const KvPart& part, std::byte* keys, int slot, const float* key) {
  const std::size_t tile = static_cast<std::size_t>(slot / kKeyTile) * part.width * kKeyTile;
  put(part, keys, tile + slot % kKeyTile, kKeyTile, slot, key);
}

void put_value(const KvPart& part, std::byte* values, int slot, const float* value) {
  put(part, values, static_cast<std::size_t>(slot) * part.width, 1, slot, value);
}

std::vector<std::byte*> CpuKvStore::memory(std::span<const BlockId> blocks) const {
  const auto lock = open();
  std::vector<std::byte*> places(blocks.size());
  std::transform(blocks.begin(), blocks.end(), places.begin(),
                 [&](BlockId id) { return memory_[id]->data(); });
  return places;
}

// Attention reads whole tiles of keys and drops invisible keys by a weight of zero. Zeros keep stale NaNs out
// of the products. A device that masks before it multiplies need not do it.
void CpuKvStore::make_block(BlockId id) {
  auto block = std::make_unique<Buffer<std::byte>>(block_bytes());
  std::memset(block->data(), 0, block_bytes());
  if (id >= static_cast<BlockId>(memory_.size())) memory_.resize(id + 1);
  memory_[id] = std::move(block);
}

void CpuKvStore::copy_block(BlockId from, BlockId to) {
  std::memcpy(memory_[to]->data(), memory_[from]->data(), block_bytes());
}

void CpuKvStore::read_block(BlockId id, std::byte* out) const {
  std::memcpy(out, memory_[id]->data(), block_bytes());
}

void CpuKvStore::write_block(BlockId id, const std::byte* bytes) {
  std::memcpy(memory_[id]->data(), bytes, block_bytes());
}

void CpuKvStore::drop_block(BlockId id) noexcept { memory_[id].reset(); }

}  // namespace ossnb
