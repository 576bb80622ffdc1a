#include "ops/cpu/kv.h"

#include <algorithm>
#include <cstring>

namespace ossnb {

// Attention reads whole tiles of keys and drops invisible keys by a weight of zero. Zeros keep stale NaNs out
// of the products. A device that masks before it multiplies need not do it.
void CpuKvStore::make_block(BlockId id) {
  auto block = std::make_unique<Buffer<float>>(layout_.block_floats());
  std::fill_n(block->data(), layout_.block_floats(), 0.0f);
  if (id >= static_cast<BlockId>(memory_.size())) memory_.resize(id + 1);
  memory_[id] = std::move(block);
}

void CpuKvStore::copy_block(BlockId from, BlockId to) {
  std::copy_n(memory_[from]->data(), layout_.block_floats(), memory_[to]->data());
}

void CpuKvStore::read_block(BlockId id, std::byte* out) const {
  std::memcpy(out, memory_[id]->data(), block_bytes());
}

void CpuKvStore::write_block(BlockId id, const std::byte* bytes) {
  std::memcpy(memory_[id]->data(), bytes, block_bytes());
}

void CpuKvStore::drop_block(BlockId id) noexcept { memory_[id].reset(); }

}  // namespace ossnb
