#include "data/kv.h"

#include <algorithm>

#include "base/error.h"

namespace ossnb {

std::shared_ptr<Sequence::Block> Sequence::new_block() const {
  auto block = std::make_shared<Block>(layout_.block_floats());
  // Attention reads whole tiles of keys and drops what is not visible; zeros keep stale NaNs out of them.
  std::fill_n(block->data(), layout_.block_floats(), 0.0f);
  return block;
}

void Sequence::rewind(int length) {
  if (length < 0 || length > length_) {
    throw ValueError("rewind to " + std::to_string(length) + " is outside 0.." + std::to_string(length_));
  }
  length_ = length;
  blocks_.resize((length + kBlockTokens - 1) / kBlockTokens);
}

void Sequence::prepare(int n) {
  const int n_blocks = (length_ + n + kBlockTokens - 1) / kBlockTokens;
  const std::size_t first_written = length_ / kBlockTokens;
  for (std::size_t i = first_written; i < blocks_.size(); ++i) {
    if (blocks_[i].use_count() == 1) continue;
    auto copy = std::make_shared<Block>(layout_.block_floats());
    std::copy_n(blocks_[i]->data(), layout_.block_floats(), copy->data());
    blocks_[i] = std::move(copy);
  }
  while (static_cast<int>(blocks_.size()) < n_blocks) blocks_.push_back(new_block());
}

}  // namespace ossnb
