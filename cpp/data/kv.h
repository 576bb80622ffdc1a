// Keys and values in reference-counted blocks. A fork shares its parent's blocks; whoever writes first into a
// shared one takes a copy. Sliding layers keep every key, so a sequence can be cut or forked at any position,
// exactly.
#pragma once

#include <memory>
#include <vector>

#include "base/buffer.h"
#include "data/config.h"

namespace ossnb {

constexpr int kBlockTokens = 32;

// Where things lie in a block, in floats: per layer and key/value head first the keys in tiles of 16,
// transposed
// ([kBlockTokens / 16, Dh, 16]: one load gives one dimension of 16 keys), then the values [kBlockTokens, Dh].
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
  std::size_t bytes_per_token() const { return block_floats() / kBlockTokens * sizeof(float); }
};

class Sequence {
 public:
  explicit Sequence(const KvLayout& layout) : layout_(layout) {}

  int length() const { return length_; }
  const KvLayout& layout() const { return layout_; }
  std::size_t n_bytes() const { return blocks_.size() * layout_.block_floats() * sizeof(float); }
  Sequence fork() const { return *this; }
  void rewind(int length);  // ValueError outside 0..length()

  // Makes positions length() .. length() + n - 1 writable. What it changes cannot be seen until commit.
  void prepare(int n);
  void commit(int n) { length_ += n; }

  float* block(int position) { return blocks_[position / kBlockTokens]->data(); }

 private:
  using Block = Buffer<float>;
  std::shared_ptr<Block> new_block() const;

  KvLayout layout_;
  std::vector<std::shared_ptr<Block>> blocks_;
  int length_ = 0;
};

}  // namespace ossnb
