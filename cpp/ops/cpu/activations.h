// The data of the CPU's steps: the activations of one pass in their shapes, and the data that stays between
// passes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/rows.h"
#include "base/thread_pool.h"
#include "data/config.h"
#include "data/weights.h"
#include "kernels/kernels.h"
#include "ops/batch.h"
#include "ops/cpu/kv.h"

namespace ossnb {

constexpr int n_blocks(int n, int block) { return (n + block - 1) / block; }

constexpr int kShortTask = 64, kLongTask = 512;  // rows of a weight matrix

// The most rows of a weight matrix that a task multiplies. Long tasks pay: weights stream from memory, each
// task's stream begins slowly, and kernels lay out the activations again for each task. With many threads
// tasks are shorter, so that every thread gets several.
inline int longest_task(int n_threads) {
  return std::clamp(kLongTask * 2 / n_threads, kShortTask, kLongTask) / kShortTask * kShortTask;
}

inline void add_bias(float* y, const bf16* bias, int n) {
  for (int i = 0; i < n; ++i) y[i] += bf16_to_f32(bias[i]);
}

// The data that the steps share.
struct CpuContext {
  const Config& c;
  const Weights& w;
  const kernels::Table& k;
  Terms terms;  // of activations that meet integer weights
  CpuKvStore& store;
  ThreadPool& pool;
  int longest = longest_task(pool.size());

  // Between passes.
  void set_threads(int n) {
    pool.resize(n);
    longest = longest_task(n);
  }

  // The rows that a task multiplies with n_inputs rows of activations. A cancel waits for the task under way,
  // so a task ends within some milliseconds: 64 K products of rows.
  int task_rows(int n_inputs) const {
    constexpr int kMostProducts = 1 << 16;
    return std::clamp(kMostProducts / std::max(1, n_inputs) / kShortTask * kShortTask, kShortTask, longest);
  }
  const kernels::IntegerKernels& integer() const { return k.integer(terms); }
  int first_visible(int layer, int position) const {
    return c.layer_is_sliding[layer] ? std::max(0, position - c.sliding_window + 1) : 0;
  }
};

// The rows that one expert serves. A pair is (row, one of its chosen experts); pairs are sorted by expert.
struct Bucket {
  int expert, first_pair, n_pairs;
};

// Of one worker.
struct Scratch {
  Buffer<std::uint8_t> integer;  // for integer products
  Buffer<float> hidden;          // [pairs of a bucket, rows of a task]
  Buffer<float> attend;          // attend_scratch_floats()
  std::vector<const std::byte*> keys, values;
};

struct Activations {
  const Batch* batch = nullptr;
  int T = 0;                                    // current rows: the batch's, in the end only the wanted ones
  std::vector<std::int32_t> row;                // [T] their places in the batch
  std::vector<std::vector<std::byte*>> blocks;  // of each sequence: its keys and values
  std::vector<int> last_position;               // of each sequence
  std::uint64_t n_bytes = 0;                    // of weights, keys and values that were read

  Rows<float> cos, sin;                          // [T, Dh/2]
  Rows<float> x;                                 // [T, D] the residual stream
  Rows<float> norm;                              // [T, D]
  Rows<float> q;                                 // [T, H * Dh], then the heads' outputs
  Rows<float> kv;                                // [T, 2 * Hk * Dh]
  Rows<float> out;                               // [T, D] of o_proj, and the experts' sum
  Rows<float> router;                            // [T, E]
  Rows<float> expert_weight;                     // [T, A]
  Rows<std::int32_t> chosen;                     // [T, A] experts, likeliest first
  Rows<std::int32_t> pair_of;                    // [T, A] place among the pairs
  std::vector<std::int32_t> pair_row, in_order;  // [T * A] row of each pair; 0, 1, 2, ...
  std::vector<Bucket> buckets;
  Rows<std::uint8_t> norm_quant, heads_quant, act_quant;  // norm, q and act as integers (QuantLayout)
  Rows<float> act;                                        // [T * A, I]
  Rows<float> expert_out;                                 // [T * A, D]
  std::vector<Scratch> scratch;                           // of each worker

  // Room for a batch; its tokens are not looked at yet.
  void begin(const CpuContext& cpu, const Batch& batch);
  // Room for n rows, without a batch: for the steps that look at no keys.
  void shape(const CpuContext& cpu, int n);
  // Drops the rows that nobody wants.
  void keep_wanted_rows();
};

}  // namespace ossnb
