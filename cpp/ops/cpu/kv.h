// Keys and values in the CPU's memory.
#pragma once

#include <memory>
#include <vector>

#include "base/buffer.h"
#include "data/config.h"
#include "data/kv.h"

namespace ossnb {

constexpr int kBlockTokens = 32;

// The layout of a block, in floats. Per layer and key/value head the keys come first, in tiles of 16,
// transposed ([kBlockTokens / 16, Dh, 16]: one load gives one dimension of 16 keys). Then come the values
// [kBlockTokens, Dh].
struct KvLayout {
  int n_layers, n_heads, head_dim;

  explicit KvLayout(const Config& c)
      : n_layers(c.num_hidden_layers), n_heads(c.num_key_value_heads), head_dim(c.head_dim) {}
  std::size_t head_floats() const { return static_cast<std::size_t>(2) * kBlockTokens * head_dim; }
  std::size_t block_floats() const { return head_floats() * n_heads * n_layers; }
  std::size_t keys(int layer, int head) const {
    return head_floats() * (static_cast<std::size_t>(layer) * n_heads + head);
  }
  std::size_t values(int layer, int head) const {
    return keys(layer, head) + static_cast<std::size_t>(kBlockTokens) * head_dim;
  }
};

class CpuKvStore final : public KvStore {
 public:
  explicit CpuKvStore(const Config& config)
      : KvStore(kBlockTokens, KvLayout(config).block_floats() * sizeof(float)), layout_(config) {}

  const KvLayout& layout() const { return layout_; }
  // For a block that the caller holds: its memory keeps its place.
  float* block(BlockId id) { return memory_[id]->data(); }

 protected:
  void make_block(BlockId id) override;
  void copy_block(BlockId from, BlockId to) override;
  void read_block(BlockId id, std::byte* out) const override;
  void write_block(BlockId id, const std::byte* bytes) override;
  void drop_block(BlockId id) noexcept override;

 private:
  const KvLayout layout_;
  std::vector<std::unique_ptr<Buffer<float>>> memory_;  // of each id; null: no block
};

}  // namespace ossnb
