// Keys and values in the card's memory, and what of them has moved to the host's.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "base/buffer.h"
#include "ops/cpu/kv.h"
#include "ops/cuda/args.h"
#include "ops/cuda/arrays.h"
#include "ops/cuda/kernel.h"

namespace ossnb::cuda {

// To the outside, blocks are laid out as the CPU's (KvLayout): a tile of keys suits both. On the card a block
// has two parts, one for the layers that see all keys and one for the sliding layers. The latter is read only
// while a window reaches it. Where the card has room for no more, the sliding parts that no pass has read for
// the longest time move to the host; a pass that reads one again, as after a rewind, brings it back.
//
// The card gives memory for several parts at a time, and the store keeps what is free again for the next one.
class CudaKvStore final : public KvStore {
 public:
  // `most_bytes` of the card's memory; 0: as much as there is.
  CudaKvStore(std::shared_ptr<const Card> card, const Config& config, KvFormat format,
              std::size_t most_bytes);

  std::size_t host_bytes(int n_new) const override;

  const KvLayout& layout() const { return layout_; }
  int part_of(int layer) const { return layers_[layer].part; }
  std::size_t place_in_part(int layer) const { return layers_[layer].at; }

  // What a pass reads of a sequence: of the sliding parts, those from block `first_sliding` on.
  struct Read {
    std::span<const BlockId> blocks;
    int first_sliding;
  };
  // Brings to the card what a pass reads, and leaves it there. Gives the addresses of
  // each part of all blocks; that of a part with the host is null.
  std::array<std::vector<std::byte*>, kBlockParts> hold(const std::vector<Read>& reads);
  // All of that pass is on the stream. What it reads may move, since that comes after it.
  void let_go_of_pass();

 protected:
  void make_block(BlockId id) override;
  void copy_block(BlockId from, BlockId to) override;
  void read_block(BlockId id, std::byte* out) const override;
  void write_block(BlockId id, const std::byte* bytes) override;
  void drop_block(BlockId id) noexcept override;

 private:
  static constexpr int kWide = 0, kSliding = 1;  // parts
  struct Layer {
    int part;
    std::size_t at;  // in the part
  };
  struct Place {
    int slab = -1, index = 0;
    bool is_there() const { return slab >= 0; }
  };
  struct Block {
    std::array<Place, kBlockParts> places;
    std::unique_ptr<Buffer<std::byte>> on_host;  // the sliding part, where it has no place
    std::uint64_t last_pass = 0;                 // that has read the sliding part; 0: none
  };

  Place take();
  bool can_grow() const;
  void grow();
  Block* idle();
  void move_out(Block& block);
  void bring(Block& block);
  // Puts a copy on the stream, and returns what tells its end.
  template <class Copy>
  std::unique_ptr<Event> put(Copy copy) const;
  // For each layer: where it is in the layout, its part, and where it is there.
  template <class Each>
  void for_layers(Each each) const;
  const DeviceMemory& slab(Place place) const { return slabs_[place.slab]; }
  std::size_t at(Place place) const { return place.index * part_bytes_; }

  const std::shared_ptr<const Card> card_;
  const KvLayout layout_;
  const std::size_t most_bytes_;
  std::vector<Layer> layers_;
  std::array<bool, kBlockParts> has_part_{};
  std::size_t layer_bytes_, part_bytes_ = 0;  // of the larger part: all places are alike
  int slab_places_;
  bool is_refused_ = false;  // the card had no memory for the last slab
  std::uint64_t pass_ = 1;   // while it is put on the stream, what it reads stays
  std::vector<DeviceMemory> slabs_;
  std::vector<Block> blocks_;  // of each id
  std::vector<Place> free_;
};

}  // namespace ossnb::cuda
