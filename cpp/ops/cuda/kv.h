// Keys and values in the card's memory.
#pragma once

#include <memory>
#include <vector>

#include "ops/cpu/kv.h"
#include "ops/cuda/arrays.h"
#include "ops/cuda/kernel.h"

namespace ossnb::cuda {

// Blocks are laid out as the CPU's (KvLayout): a tile of keys suits both. The card gives memory for several
// blocks at a time, and the store keeps what is free again for the next one.
class CudaKvStore final : public KvStore {
 public:
  CudaKvStore(std::shared_ptr<const Card> card, const Config& config, KvFormat format);

  const KvLayout& layout() const { return layout_; }
  // The card's addresses of blocks that the caller holds.
  std::vector<std::byte*> addresses(std::span<const BlockId> blocks) const;

 protected:
  void make_block(BlockId id) override;
  void copy_block(BlockId from, BlockId to) override;
  void read_block(BlockId id, std::byte* out) const override;
  void write_block(BlockId id, const std::byte* bytes) override;
  void drop_block(BlockId id) noexcept override;

 private:
  struct Place {
    int slab = -1, index = 0;
  };
  // Puts a copy on the stream, and returns what tells its end.
  template <class Copy>
  std::unique_ptr<Event> put(Copy copy) const;
  const DeviceMemory& slab(BlockId id) const { return slabs_[places_[id].slab]; }
  std::size_t at(BlockId id) const { return places_[id].index * block_bytes(); }

  const std::shared_ptr<const Card> card_;
  const KvLayout layout_;
  std::vector<DeviceMemory> slabs_;
  std::vector<Place> places_;  // of each id
  std::vector<Place> free_;
};

}  // namespace ossnb::cuda
