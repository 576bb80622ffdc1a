// What one pass is about, as the card sees it: its rows and the places of their keys, in one piece of memory
// that one copy brings over.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "data/config.h"
#include "data/rope.h"
#include "ops/batch.h"
#include "ops/cuda/args.h"
#include "ops/cuda/arrays.h"
#include "ops/cuda/kv.h"

namespace ossnb::cuda {

// Rows that attend: several of one sequence together, or each by itself.
struct Attending {
  std::vector<QueryRun> runs;
  std::vector<std::int32_t> singles;
  int n_keys = 0;  // room for those of a single: 256, 512, 1024, ... so that passes are alike

  const QueryRun* card_runs = nullptr;  // the same on the card
  const std::int32_t* card_singles = nullptr;
};

// Rows, and how they attend. A pass has all its rows, and then the wanted ones.
struct PassRows {
  int n = 0;
  RowTable table{};
  Attending attending;
};

class Pass {
 public:
  Pass(std::shared_ptr<const Card> card, const Config& config, const bf16* embed_tokens, CudaKvStore& store);

  void begin(const Batch& batch);

  const Batch& batch() const { return *batch_; }
  const PassRows& all() const { return all_; }
  const PassRows& wanted() const { return wanted_; }
  const std::int32_t* wanted_rows() const { return wanted_rows_; }  // on the card
  const bf16* embeddings() const { return embeddings_; }            // on the card: [T, D] of the tokens
  // Bytes of the keys and values that all layers have to read.
  std::uint64_t key_bytes() const { return key_bytes_; }
  // Whether a pass of as many rows, with as much room for keys, puts its numbers into the same places: a few
  // rows that go by themselves and are wanted, as when one token after the other is written.
  bool is_alike() const {
    constexpr int kMostRows = 8;
    return all_.n <= kMostRows && all_.attending.runs.empty() && wanted_.n == all_.n;
  }
  std::byte* const* blocks(int part) const { return blocks_[part]; }  // on the card: a part's addresses
  const void* place() const { return reinterpret_cast<const void*>(there_.address()); }

 private:
  template <class T>
  T* reserve(std::size_t n, const T** on_card);
  void plan(std::size_t n_bytes);
  Attending attending_of(const std::vector<std::int32_t>& rows) const;
  void put_attending(Attending& attending);
  std::uint64_t key_bytes_of(const Batch& batch) const;
  std::vector<CudaKvStore::Read> reads_of(const Batch& batch) const;

  const std::shared_ptr<const Card> card_;
  const Config& c_;
  const bf16* embed_tokens_;
  CudaKvStore& store_;
  const Rope rope_;
  const Batch* batch_ = nullptr;
  PassRows all_, wanted_;
  const std::int32_t* wanted_rows_ = nullptr;
  const bf16* embeddings_ = nullptr;
  std::array<std::byte* const*, kBlockParts> blocks_{};
  std::uint64_t key_bytes_ = 0;

  PinnedArray<std::byte> here_;
  DeviceMemory there_;
  std::size_t used_ = 0;
};

}  // namespace ossnb::cuda
