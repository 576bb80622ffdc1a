#include "ops/cuda/kv.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace ossnb::cuda {

namespace {

constexpr std::size_t kSlab = std::size_t{64} << 20;  // bytes that are asked of the card at a time

}  // namespace

static_assert(cuda::kBlockTokens == ossnb::kBlockTokens);

CudaKvStore::CudaKvStore(std::shared_ptr<const Card> card, const Config& config, KvFormat format,
                         std::size_t most_bytes)
    : KvStore(ossnb::kBlockTokens, KvLayout(config, format).bytes()),
      card_(std::move(card)),
      layout_(config, format),
      most_bytes_(most_bytes),
      layer_bytes_(layout_.keys(1, 0)) {
  std::array<std::size_t, kBlockParts> used{};
  for (const bool is_sliding : config.layer_is_sliding) {
    const int part = is_sliding ? kSliding : kWide;
    layers_.push_back({part, used[part]});
    used[part] += layer_bytes_;
    has_part_[part] = true;
  }
  part_bytes_ = *std::ranges::max_element(used);
  const std::size_t slab = most_bytes_ == 0 ? kSlab : std::min(kSlab, most_bytes_);
  slab_places_ = static_cast<int>(std::max<std::size_t>(1, slab / part_bytes_));
}

template <class Each>
void CudaKvStore::for_layers(Each each) const {
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    each(layout_.keys(static_cast<int>(layer), 0), layers_[layer].part, layers_[layer].at);
  }
}

// Another thread may be in a pass.
template <class Copy>
std::unique_ptr<Event> CudaKvStore::put(Copy copy) const {
  auto end = std::make_unique<Event>(card_);
  const std::lock_guard lock(card_->recording());
  copy();
  end->record();
  return end;
}

// ---- places -----------------------------------------------------------------------------------------------

bool CudaKvStore::can_grow() const {
  return most_bytes_ == 0 || (slabs_.size() + 1) * slab_places_ * part_bytes_ <= most_bytes_;
}

void CudaKvStore::grow() {
  free_.reserve((slabs_.size() + 1) * slab_places_);
  slabs_.emplace_back(card_, slab_places_ * part_bytes_);
  for (int i = slab_places_ - 1; i >= 0; --i) free_.push_back({static_cast<int>(slabs_.size()) - 1, i});
}

// The block whose sliding part may move and was read longest ago; null where there is none.
CudaKvStore::Block* CudaKvStore::idle() {
  Block* found = nullptr;
  for (Block& block : blocks_) {
    if (!block.places[kSliding].is_there() || block.last_pass == pass_) continue;
    if (!found || block.last_pass < found->last_pass) found = &block;
  }
  return found;
}

void CudaKvStore::move_out(Block& block) {
  Place& place = block.places[kSliding];
  auto copy = std::make_unique<Buffer<std::byte>>(part_bytes_);
  card_->wait(*put([&] { slab(place).download(at(place), copy->data(), part_bytes_); }));
  block.on_host = std::move(copy);
  free_.push_back(std::exchange(place, {}));
}

void CudaKvStore::bring(Block& block) {
  const Place place = take();
  try {
    card_->wait(*put([&] { slabs_[place.slab].upload(at(place), block.on_host->data(), part_bytes_); }));
  } catch (...) {
    free_.push_back(place);
    throw;
  }
  block.places[kSliding] = place;
  block.on_host.reset();
}

CudaKvStore::Place CudaKvStore::take() {
  if (free_.empty() && can_grow()) {
    try {
      grow();
      is_refused_ = false;
    } catch (const DeviceMemoryError&) {
      if (card_->info().is_integrated || !idle()) throw;
      is_refused_ = true;
    }
  }
  if (free_.empty()) {
    Block* block = idle();
    if (!block) {
      throw DeviceMemoryError(card_->info().title() +
                                  " has no room for the keys and values that one pass reads; answer fewer at "
                                  "a time (in_flight=), keep less (a smaller kv_memory=), or allow more "
                                  "(device_memory=)",
                              part_bytes_, 0, most_bytes_);
    }
    move_out(*block);
  }
  const Place place = free_.back();
  free_.pop_back();
  return place;
}

std::size_t CudaKvStore::host_bytes(int n_new) const {
  const auto lock = open();
  if (most_bytes_ == 0 && !is_refused_) return 0;
  const std::size_t n_slabs = is_refused_ ? slabs_.size() : most_bytes_ / (slab_places_ * part_bytes_),
                    n_places = n_slabs * slab_places_, n_taken = slabs_.size() * slab_places_ - free_.size(),
                    n_more = n_new * static_cast<std::size_t>(has_part_[kWide] + has_part_[kSliding]);
  return n_taken + n_more > n_places ? (n_taken + n_more - n_places) * part_bytes_ : 0;
}

std::array<std::vector<std::byte*>, kBlockParts> CudaKvStore::hold(const std::vector<Read>& reads) {
  const auto lock = open();
  ++pass_;
  for (const Read& read : reads) {
    for (const BlockId id : read.blocks.subspan(read.first_sliding)) blocks_[id].last_pass = pass_;
  }
  std::array<std::vector<std::byte*>, kBlockParts> found;
  for (const Read& read : reads) {
    for (const BlockId id : read.blocks.subspan(read.first_sliding)) {
      if (blocks_[id].on_host) bring(blocks_[id]);
    }
    for (const BlockId id : read.blocks) {
      for (int part = 0; part < kBlockParts; ++part) {
        const Place place = blocks_[id].places[part];
        found[part].push_back(
            place.is_there() ? reinterpret_cast<std::byte*>(slab(place).address() + at(place)) : nullptr);
      }
    }
  }
  return found;
}

void CudaKvStore::let_go_of_pass() {
  const auto lock = open();
  ++pass_;
}

// ---- blocks -----------------------------------------------------------------------------------------------

// A new block is one that the pass to come writes.
void CudaKvStore::make_block(BlockId id) {
  if (id >= static_cast<BlockId>(blocks_.size())) blocks_.resize(id + 1);
  Block block{.last_pass = pass_};
  try {
    for (int part = 0; part < kBlockParts; ++part) {
      if (has_part_[part]) block.places[part] = take();
    }
  } catch (...) {
    if (block.places[kWide].is_there()) free_.push_back(block.places[kWide]);
    throw;
  }
  blocks_[id] = std::move(block);
}

void CudaKvStore::copy_block(BlockId from, BlockId to) {
  const Block &source = blocks_[from], &target = blocks_[to];
  const auto end = put([&] {
    for (int part = 0; part < kBlockParts; ++part) {
      const Place place = target.places[part];
      if (!place.is_there()) continue;
      DeviceMemory& memory = slabs_[place.slab];
      if (const Place other = source.places[part]; other.is_there()) {
        memory.copy(at(place), slab(other), at(other), part_bytes_);
      } else {
        memory.upload(at(place), source.on_host->data(), part_bytes_);
      }
    }
  });
  if (source.on_host) card_->wait(*end);
}

void CudaKvStore::read_block(BlockId id, std::byte* out) const {
  const Block& block = blocks_[id];
  const auto end = put([&] {
    for_layers([&](std::size_t to, int part, std::size_t from) {
      const Place place = block.places[part];
      if (place.is_there()) slab(place).download(at(place) + from, out + to, layer_bytes_);
    });
  });
  card_->wait(*end);
  if (!block.on_host) return;
  for_layers([&](std::size_t to, int part, std::size_t from) {
    if (part == kSliding) std::memcpy(out + to, block.on_host->data() + from, layer_bytes_);
  });
}

// It comes from a file, and no pass has asked for it yet.
void CudaKvStore::write_block(BlockId id, const std::byte* bytes) {
  Block& block = blocks_[id];
  const auto end = put([&] {
    for_layers([&](std::size_t from, int part, std::size_t to) {
      const Place place = block.places[part];
      slabs_[place.slab].upload(at(place) + to, bytes + from, layer_bytes_);
    });
  });
  card_->wait(*end);
  block.last_pass = 0;
}

void CudaKvStore::drop_block(BlockId id) noexcept {
  for (const Place place : blocks_[id].places) {
    if (place.is_there()) free_.push_back(place);
  }
  blocks_[id] = {};
}

}  // namespace ossnb::cuda
