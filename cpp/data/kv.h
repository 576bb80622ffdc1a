// Keys and values by handle. A device owns the memory; everybody else holds block ids and counts references.
// Sliding layers keep every key, in one memory or another, so a sequence can be cut or forked at any
// position, exactly.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace ossnb {

using BlockId = std::int32_t;

// The books of a device's blocks. A block holds the keys and values of `block_tokens` positions in all
// layers. It lives while somebody holds a reference; then its id is free for another block. Any thread may
// call anything at any time: the books have a lock, and a device writes only blocks of the running pass.
class KvStore {
 public:
  KvStore(int block_tokens, std::size_t block_bytes)
      : block_tokens_(block_tokens), block_bytes_(block_bytes), process_(getpid()), looked_in_(getpid()) {}
  virtual ~KvStore() = default;
  KvStore(const KvStore&) = delete;
  KvStore& operator=(const KvStore&) = delete;

  int block_tokens() const { return block_tokens_; }
  std::size_t block_bytes() const { return block_bytes_; }
  int n_blocks() const;  // alive
  std::size_t used_bytes() const { return n_blocks() * block_bytes_; }
  std::uint64_t n_changes() const;  // how often a block was made or freed
  // How much more of the host's memory `n_new` blocks would take.
  virtual std::size_t host_bytes(int n_new) const { return n_new * block_bytes_; }
  // The number of blocks that hold `length` positions.
  int blocks_for(int length) const { return (length + block_tokens_ - 1) / block_tokens_; }

  // One reference more or less for each block; the last one frees it. ValueError for an id that is not alive,
  // and then nothing changes.
  void retain(std::span<const BlockId> blocks);
  void release(std::span<const BlockId> blocks);
  int references(BlockId block) const;  // ValueError for an id that is not alive
  // release() for callers that may not fail: it skips an id that was released too often.
  void let_go(std::span<const BlockId> blocks) noexcept;

  // A block with one reference: empty, or like another. Throws when there is no memory.
  BlockId make();
  BlockId copy(BlockId from);

  // A block's bytes as the device lays them out, block_bytes() of them, for a file; and a block of such
  // bytes, with one reference. They say nothing about which weights they come from: the caller must know.
  void read(BlockId block, std::byte* out) const;
  BlockId make_from(const std::byte* bytes);

 protected:
  // A device's work with memory, under the lock. Ids are small and used again, so that they can index a
  // table. make_block gives `id` memory or throws; drop_block takes it back.
  virtual void make_block(BlockId id) = 0;
  virtual void copy_block(BlockId from, BlockId to) = 0;  // `to` was just made
  virtual void read_block(BlockId id, std::byte* out) const = 0;
  virtual void write_block(BlockId id, const std::byte* bytes) = 0;  // it was just made
  virtual void drop_block(BlockId id) noexcept = 0;

  // The books, locked: a device takes the lock where it looks up the memory of blocks, since another thread
  // may make some. In a process that was forked while another thread had them locked they may be half
  // changed, and that thread is not there. Then this throws; open_if_whole() comes without the lock to those
  // who may not fail.
  std::unique_lock<std::mutex> open() const;

 private:
  BlockId make_locked();
  void free_locked(BlockId block) noexcept;
  void require_alive(BlockId block) const;

  std::unique_lock<std::mutex> open_if_whole() const noexcept;

  const int block_tokens_;
  const std::size_t block_bytes_;
  mutable std::mutex mutex_;
  mutable std::atomic<pid_t> process_, looked_in_;
  mutable std::atomic<bool> is_cut_off_{false};
  std::vector<int> references_;  // of each id
  std::vector<BlockId> free_;    // ids without a block
  std::uint64_t n_changes_ = 0;
};

// Block ids and a length: block i holds positions i * block_tokens and up. A fork shares its parent's blocks.
// The first writer into a shared block takes a copy.
class Sequence {
 public:
  explicit Sequence(std::shared_ptr<KvStore> store) : store_(std::move(store)) {}
  // Shares blocks. ValueError when one is not alive, or when their number is not that of `length` positions.
  Sequence(std::shared_ptr<KvStore> store, std::vector<BlockId> blocks, int length);
  ~Sequence();
  Sequence(Sequence&& other) noexcept;
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;

  int length() const { return length_; }
  const std::vector<BlockId>& blocks() const { return blocks_; }
  const KvStore& store() const { return *store_; }
  Sequence fork() const { return Sequence(store_, blocks_, length_); }
  void rewind(int length);  // ValueError outside 0..length()

  // A pass writes positions length() .. length() + n - 1 between prepare(n) and commit(); abandon() restores
  // the sequence as before prepare(). A prepare() that throws has abandoned already.
  void prepare(int n);
  void commit();
  void abandon() noexcept;

 private:
  static constexpr BlockId kNone = -1;
  void cut(std::size_t n_blocks) noexcept;

  std::shared_ptr<KvStore> store_;
  std::vector<BlockId> blocks_;
  int length_ = 0;
  int n_prepared_ = 0;
  BlockId replaced_ = kNone;  // the shared last block that a copy stands for, until commit()
};

}  // namespace ossnb
