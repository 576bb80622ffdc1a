#include "ops/cuda/kv.h"

#include <algorithm>

#include "ops/cuda/args.h"

namespace ossnb::cuda {

namespace {

constexpr std::size_t kSlab = std::size_t{64} << 20;  // bytes that are asked of the card at a time

}  // namespace

static_assert(cuda::kBlockTokens == ossnb::kBlockTokens);

CudaKvStore::CudaKvStore(std::shared_ptr<const Card> card, const Config& config, KvFormat format)
    : KvStore(ossnb::kBlockTokens, KvLayout(config, format).bytes()),
      card_(std::move(card)),
      layout_(config, format) {}

std::vector<std::byte*> CudaKvStore::addresses(std::span<const BlockId> blocks) const {
  const auto lock = open();
  std::vector<std::byte*> found(blocks.size());
  std::transform(blocks.begin(), blocks.end(), found.begin(),
                 [&](BlockId id) { return reinterpret_cast<std::byte*>(slab(id).address() + at(id)); });
  return found;
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

void CudaKvStore::make_block(BlockId id) {
  if (free_.empty()) {
    const int n = static_cast<int>(std::max<std::size_t>(1, kSlab / block_bytes()));
    slabs_.emplace_back(card_, n * block_bytes());
    free_.reserve(slabs_.size() * n);
    for (int i = n - 1; i >= 0; --i) free_.push_back({static_cast<int>(slabs_.size()) - 1, i});
  }
  if (id >= static_cast<BlockId>(places_.size())) places_.resize(id + 1);
  places_[id] = free_.back();
  free_.pop_back();
}

void CudaKvStore::copy_block(BlockId from, BlockId to) {
  put([&] { slabs_[places_[to].slab].copy(at(to), slab(from), at(from), block_bytes()); });
}

void CudaKvStore::read_block(BlockId id, std::byte* out) const {
  card_->wait(*put([&] { slab(id).download(at(id), out, block_bytes()); }));
}

void CudaKvStore::write_block(BlockId id, const std::byte* bytes) {
  card_->wait(*put([&] { slabs_[places_[id].slab].upload(at(id), bytes, block_bytes()); }));
}

void CudaKvStore::drop_block(BlockId id) noexcept { free_.push_back(places_[id]); }

}  // namespace ossnb::cuda
