// Keys and values in the CPU's memory.
#pragma once

#include <memory>
#include <vector>

#include "base/buffer.h"
#include "data/config.h"
#include "data/kv.h"
#include "format/kv.h"

namespace ossnb {

constexpr int kBlockTokens = 32;

// The layout of a block. Per layer and key/value head the keys come first, in tiles of 16, transposed
// ([kBlockTokens / 16, Dh, 16]: one load gives one dimension of 16 keys). Then come the values
// [kBlockTokens, Dh].
struct KvLayout {
  int n_layers, n_heads;
  KvPart part;  // one head's keys, or its values

  KvLayout(const Config& c, KvFormat format)
      : n_layers(c.num_hidden_layers),
        n_heads(c.num_key_value_heads),
        part{format, kBlockTokens, c.head_dim} {}
  std::size_t bytes() const { return 2 * part.bytes() * n_heads * n_layers; }
  std::size_t keys(int layer, int head) const {
    return 2 * part.bytes() * (static_cast<std::size_t>(layer) * n_heads + head);
  }
  std::size_t values(int layer, int head) const { return keys(layer, head) + part.bytes(); }
  // Of a token's keys and values in one layer.
  std::size_t token_bytes() const { return 2 * part.bytes() * n_heads / kBlockTokens; }
};

// Puts one token's key, or its value, into a part of a block of part.tokens tokens.
void put_key(const KvPart& part, std::byte* keys, int slot, const float* key);
void put_value(const KvPart& part, std::byte* values, int slot, const float* value);

class CpuKvStore final : public KvStore {
 public:
  CpuKvStore(const Config& config, KvFormat format)
      : KvStore(kBlockTokens, KvLayout(config, format).bytes()), layout_(config, format) {}

  const KvLayout& layout() const { return layout_; }
  // The memory of blocks that the caller holds; it keeps its place.
  std::vector<std::byte*> memory(std::span<const BlockId> blocks) const;

 protected:
  void make_block(BlockId id) override;
  void copy_block(BlockId from, BlockId to) override;
  void read_block(BlockId id, std::byte* out) const override;
  void write_block(BlockId id, const std::byte* bytes) override;
  void drop_block(BlockId id) noexcept override;

 private:
  const KvLayout layout_;
  std::vector<std::unique_ptr<Buffer<std::byte>>> memory_;  // of each id; null: no block
};

}  // namespace ossnb
