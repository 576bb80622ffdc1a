#include "ops/cuda/pass.h"

#include <algorithm>
#include <numeric>

namespace ossnb::cuda {

namespace {

constexpr int kLeastRun = 3;  // rows of a sequence that share the reading of keys; fewer go by themselves
// A run is one block for each head of keys, which walks through all of them. Behind many keys a few rows, as
// of a draft, are done sooner by themselves: a block for each row and each piece of the keys.
constexpr int kFewRows = 16, kManyKeys = 512;
constexpr int kLeastKeys = 256;
constexpr std::size_t kAlignment = 16;

std::size_t aligned(std::size_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

Pass::Pass(std::shared_ptr<const Card> card, const Config& config, const bf16* embed_tokens,
           CudaKvStore& store)
    : card_(std::move(card)), c_(config), embed_tokens_(embed_tokens), store_(store), rope_(config) {}

void Pass::plan(std::size_t n_bytes) {
  used_ = 0;
  if (n_bytes <= here_.size()) return;
  n_bytes = std::max(n_bytes, 2 * here_.size());
  PinnedArray<std::byte> here(card_, n_bytes);
  DeviceMemory there(card_, n_bytes);  // where that fails, the old room stays
  here_ = std::move(here);
  there_ = std::move(there);
}

// Room for n elements; gives the place to write them and their address on the card.
template <class T>
T* Pass::reserve(std::size_t n, const T** on_card) {
  T* place = reinterpret_cast<T*>(here_.data() + used_);
  *on_card = reinterpret_cast<const T*>(there_.address() + used_);
  used_ += aligned(n * sizeof(T));
  return place;
}

// Neighbouring rows of one sequence at rising positions share their keys, 64 pairs of query and head at a
// time.
Attending Pass::attending_of(const std::vector<std::int32_t>& rows) const {
  const int most = std::max(1, 64 / (c_.num_attention_heads / c_.num_key_value_heads));
  const int n = static_cast<int>(rows.size());
  Attending found;
  for (int first = 0, end; first < n; first = end) {
    const auto follows = [&](int i) {
      return batch_->sequence_of[rows[i]] == batch_->sequence_of[rows[i - 1]] &&
             batch_->positions[rows[i]] == batch_->positions[rows[i - 1]] + 1;
    };
    for (end = first + 1; end < n && follows(end);) ++end;
    const bool has_many_keys = batch_->positions[rows[end - 1]] >= kManyKeys;
    if (end - first < kLeastRun || most < kLeastRun || (end - first <= kFewRows && has_many_keys)) {
      for (int i = first; i < end; ++i) {
        found.singles.push_back(i);
        while (found.n_keys <= batch_->positions[rows[i]])
          found.n_keys = std::max(kLeastKeys, 2 * found.n_keys);
      }
      continue;
    }
    for (int i = first; i < end; i += most) found.runs.push_back({i, std::min(most, end - i)});
  }
  // Later positions see more, so they begin first.
  std::reverse(found.runs.begin(), found.runs.end());
  return found;
}

void Pass::put_attending(Attending& a) {
  std::copy(a.runs.begin(), a.runs.end(), reserve(a.runs.size(), &a.card_runs));
  std::copy(a.singles.begin(), a.singles.end(), reserve(a.singles.size(), &a.card_singles));
}

void Pass::begin(const Batch& batch) {
  batch_ = &batch;
  const int T = batch.n_rows(), W = static_cast<int>(batch.wanted_rows.size()), half = rope_.half();
  const std::size_t D = c_.hidden_size;
  std::size_t n_blocks = 0;
  std::vector<std::int32_t> first_block;
  for (const Sequence* sequence : batch.sequences) {
    first_block.push_back(static_cast<std::int32_t>(n_blocks));
    n_blocks += sequence->blocks().size();
  }
  std::vector<std::int32_t> rows(T);
  std::iota(rows.begin(), rows.end(), 0);
  all_ = {.n = T, .attending = attending_of(rows)};
  wanted_ = {.n = W, .attending = attending_of(batch.wanted_rows)};
  // Where a graph may repeat the pass, the places of addresses depend on the room for keys, not on the
  // blocks.
  const std::size_t n_addresses = is_alike() ? T * all_.attending.n_keys / kBlockTokens : n_blocks;
  key_bytes_ = key_bytes_of(batch);
  plan(T * (D * sizeof(bf16) + 2 * half * sizeof(float) + 64) + W * 64 +
       kBlockParts * n_addresses * sizeof(std::byte*) + 32 * kAlignment);

  const auto put_rows = [&](PassRows& to, const std::vector<std::int32_t>& of) {
    std::int32_t *positions = reserve(of.size(), &to.table.positions),
                 *first = reserve(of.size(), &to.table.first_block);
    for (std::size_t i = 0; i < of.size(); ++i) {
      positions[i] = batch.positions[of[i]];
      first[i] = first_block[batch.sequence_of[of[i]]];
    }
    put_attending(to.attending);
  };
  put_rows(all_, rows);
  put_rows(wanted_, batch.wanted_rows);
  std::copy(batch.wanted_rows.begin(), batch.wanted_rows.end(), reserve(W, &wanted_rows_));
  float *cos = reserve(static_cast<std::size_t>(T) * half, &all_.table.cos),
        *sin = reserve(static_cast<std::size_t>(T) * half, &all_.table.sin);
  bf16* embeddings = reserve(T * D, &embeddings_);
  for (int t = 0; t < T; ++t) {
    rope_.angles(batch.positions[t], cos + t * half, sin + t * half);
    std::copy_n(embed_tokens_ + batch.tokens[t] * D, D, embeddings + t * D);
  }
  // The blocks come last: without them the places depend on the numbers of rows alone.
  const auto addresses = store_.hold(reads_of(batch));
  for (int part = 0; part < kBlockParts; ++part) {
    std::ranges::copy(addresses[part], reserve(n_addresses, &blocks_[part]));
  }
  there_.upload(0, here_.data(), used_);
}

std::vector<CudaKvStore::Read> Pass::reads_of(const Batch& batch) const {
  std::vector<CudaKvStore::Read> reads;
  for (const Sequence* sequence : batch.sequences) {
    const int first_key = std::max(0, sequence->length() - c_.sliding_window + 1);
    reads.push_back({sequence->blocks(), first_key / kAttendKeys * kAttendKeys / kBlockTokens});
  }
  return reads;
}

std::uint64_t Pass::key_bytes_of(const Batch& batch) const {
  std::vector<int> last(batch.sequences.size());
  for (int t = 0; t < batch.n_rows(); ++t) last[batch.sequence_of[t]] = batch.positions[t];
  std::uint64_t n_keys = 0;
  for (const bool is_sliding : c_.layer_is_sliding) {
    for (const int position : last)
      n_keys += is_sliding ? std::min(c_.sliding_window, position + 1) : position + 1;
  }
  return n_keys * store_.layout().token_bytes();
}

}  // namespace ossnb::cuda
