#include "data/kv.h"

#include <stdexcept>
#include <thread>

#include "base/error.h"

namespace ossnb {

namespace {

constexpr int kFreed = -1;  // in place of a count: an id without a block

}  // namespace

std::unique_lock<std::mutex> KvStore::open_if_whole() const noexcept {
  const pid_t here = getpid();
  if (process_ != here) {  // forked: one thread looks, and the others wait for it
    if (looked_in_.exchange(here) != here) {
      const std::unique_lock is_free(mutex_, std::try_to_lock);
      is_cut_off_ = is_cut_off_ || !is_free;
      process_ = here;
    }
    while (process_ != here) std::this_thread::yield();
  }
  return is_cut_off_ ? std::unique_lock(mutex_, std::defer_lock) : std::unique_lock(mutex_);
}

std::unique_lock<std::mutex> KvStore::open() const {
  auto lock = open_if_whole();
  if (!lock) {
    throw std::runtime_error(
        "this process was forked while the model made room for keys and values; load the model again here");
  }
  return lock;
}

int KvStore::n_blocks() const {
  const auto lock = open();
  return static_cast<int>(references_.size() - free_.size());
}

std::uint64_t KvStore::n_changes() const {
  const auto lock = open();
  return n_changes_;
}

void KvStore::require_alive(BlockId block) const {
  if (block >= 0 && block < static_cast<BlockId>(references_.size()) && references_[block] > 0) return;
  throw ValueError("block " + std::to_string(block) +
                   " is not alive: it was released as often as it was retained, or never made");
}

void KvStore::retain(std::span<const BlockId> blocks) {
  const auto lock = open();
  for (const BlockId block : blocks) require_alive(block);
  for (const BlockId block : blocks) ++references_[block];
}

void KvStore::release(std::span<const BlockId> blocks) {
  const auto lock = open();
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    try {
      require_alive(blocks[i]);
    } catch (...) {
      for (std::size_t j = 0; j < i; ++j) ++references_[blocks[j]];
      throw;
    }
    --references_[blocks[i]];
  }
  for (const BlockId block : blocks) {
    if (references_[block] == 0) free_locked(block);
  }
}

void KvStore::let_go(std::span<const BlockId> blocks) noexcept {
  const auto lock = open_if_whole();
  if (!lock) return;
  for (const BlockId block : blocks) {
    int& n = references_[block];
    if (n <= 0) continue;
    --n;
    if (n == 0) free_locked(block);
  }
}

void KvStore::free_locked(BlockId block) noexcept {
  ++n_changes_;
  references_[block] = kFreed;
  drop_block(block);
  free_.push_back(block);  // has room for every id
}

int KvStore::references(BlockId block) const {
  const auto lock = open();
  require_alive(block);
  return references_[block];
}

BlockId KvStore::make_locked() {
  if (free_.empty()) {
    if (references_.size() == references_.capacity()) references_.reserve(2 * references_.size() + 1);
    free_.reserve(references_.capacity());
    references_.push_back(kFreed);  // fails no more: each id has room among the free ones
    free_.push_back(static_cast<BlockId>(references_.size()) - 1);
  }
  const BlockId id = free_.back();
  make_block(id);
  free_.pop_back();
  ++n_changes_;
  references_[id] = 1;
  return id;
}

BlockId KvStore::make() {
  const auto lock = open();
  return make_locked();
}

BlockId KvStore::copy(BlockId from) {
  const auto lock = open();
  require_alive(from);
  const BlockId to = make_locked();
  try {
    copy_block(from, to);
  } catch (...) {
    free_locked(to);
    throw;
  }
  return to;
}

void KvStore::read(BlockId block, std::byte* out) const {
  const auto lock = open();
  require_alive(block);
  read_block(block, out);
}

BlockId KvStore::make_from(const std::byte* bytes) {
  const auto lock = open();
  const BlockId id = make_locked();
  try {
    write_block(id, bytes);
  } catch (...) {
    free_locked(id);
    throw;
  }
  return id;
}

Sequence::Sequence(std::shared_ptr<KvStore> store, std::vector<BlockId> blocks, int length)
    : store_(std::move(store)) {
  const int expected = length < 0 ? 0 : store_->blocks_for(length), got = static_cast<int>(blocks.size());
  if (length < 0 || got != expected) {
    throw ValueError(std::to_string(got) + " blocks do not hold " + std::to_string(length) +
                     " tokens; expected " + std::to_string(expected) + " blocks of " +
                     std::to_string(store_->block_tokens()) + " tokens");
  }
  store_->retain(blocks);
  blocks_ = std::move(blocks);
  length_ = length;
}

Sequence::Sequence(Sequence&& other) noexcept
    : store_(std::move(other.store_)),
      blocks_(std::move(other.blocks_)),
      length_(other.length_),
      n_prepared_(other.n_prepared_),
      replaced_(other.replaced_) {
  other.blocks_.clear();
  other.replaced_ = kNone;
}

Sequence::~Sequence() {
  if (!store_) return;  // moved from
  abandon();
  cut(0);
}

// Releases all blocks but the first n_blocks.
void Sequence::cut(std::size_t n_blocks) noexcept {
  if (blocks_.size() <= n_blocks) return;
  store_->let_go(std::span(blocks_).subspan(n_blocks));
  blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(n_blocks), blocks_.end());
}

void Sequence::rewind(int length) {
  if (length < 0 || length > length_) {
    throw ValueError("rewind to " + std::to_string(length) + " is outside 0.." + std::to_string(length_));
  }
  length_ = length;
  cut(store_->blocks_for(length));
}

void Sequence::prepare(int n) {
  n_prepared_ = n;
  blocks_.reserve(store_->blocks_for(length_ + n));
  try {
    if (length_ % store_->block_tokens() != 0 && store_->references(blocks_.back()) > 1) {
      const BlockId copy = store_->copy(blocks_.back());
      replaced_ = blocks_.back();
      blocks_.back() = copy;
    }
    while (static_cast<int>(blocks_.size()) < store_->blocks_for(length_ + n)) {
      blocks_.push_back(store_->make());
    }
  } catch (...) {
    abandon();
    throw;
  }
}

void Sequence::commit() {
  if (replaced_ != kNone) store_->let_go({&replaced_, 1});
  replaced_ = kNone;
  length_ += n_prepared_;
  n_prepared_ = 0;
}

void Sequence::abandon() noexcept {
  cut(store_->blocks_for(length_));
  if (replaced_ != kNone) {
    store_->let_go({&blocks_.back(), 1});
    blocks_.back() = replaced_;
  }
  replaced_ = kNone;
  n_prepared_ = 0;
}

}  // namespace ossnb
