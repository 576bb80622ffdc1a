// The inner loops: single-threaded functions behind one table of pointers, one table for each instruction-set
// level. reference.cpp is the definition. Every level computes each output element in the same written order,
// so all levels give the same bits (docs/NUMERICS.md). The caller keeps the preconditions; nothing here
// throws, but std::bad_alloc where reference.cpp unpacks a matrix first.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "format/bf12.h"
#include "format/dtype.h"
#include "format/kv.h"
#include "format/mxfp4.h"
#include "format/q6.h"
#include "format/q8.h"
#include "format/quant.h"

namespace ossnb::kernels {

constexpr int kLanes = 16;    // partial sums of a float32 dot product: lane = k mod 16
constexpr int kKeyTile = 16;  // keys are stored transposed in tiles of 16 (data/kv.h)

// Attention adds its weights and its weighted values in pieces of this many keys: [256 j, 256 j + 256) by
// position. A device may form the pieces side by side; on a GPU one chain over a long context would be slow.
constexpr int kPieceKeys = 256;

// The first position behind the piece that holds `position`.
constexpr int piece_end(int position) { return (position / kPieceKeys + 1) * kPieceKeys; }

// A few queries at rising positions, and one key/value head: G query heads that share it. Query i stands at
// position last + i and sees at most `window` keys up to itself.
struct AttendArgs {
  const float* q;      // [n_queries] rows of [G, Dh], rotated
  std::size_t stride;  // floats from one query's row to the next, of q and out
  int n_queries;
  int n_heads;                     // G
  int head_dim;                    // Dh, a multiple of 16
  KvFormat format;                 // of keys and values
  const std::byte* const* keys;    // per block a KvPart: [block_tokens / 16, Dh, 16]
  const std::byte* const* values;  // per block a KvPart: [block_tokens, Dh]
  int block_tokens;                // a multiple of 16
  int last, window;
  float scale;        // of the scores
  const bf16* sinks;  // [G]
  float* scratch;     // attend_scratch_floats() of the same numbers
  float* out;         // like q, and may be q: scores are finished before the first output is written

  int first(int query) const { return last + query < window ? 0 : last + query - window + 1; }
  KvPart part() const { return {format, block_tokens, head_dim}; }
};

// Room for the scores of keys first .. last in whole tiles, and for their sum.
constexpr std::size_t attend_row_floats(int first, int last) {
  return static_cast<std::size_t>(last / kKeyTile - first / kKeyTile + 2) * kKeyTile;
}

// Room for a row of scores and for one piece of the output, for each query and head, and for a part of a
// block as floats. `first` is the first key that the first query sees, `last` the last query's position.
constexpr std::size_t attend_scratch_floats(int n_queries, int n_heads, KvPart part, int first, int last) {
  const std::size_t widened = part.format == KvFormat::float32 ? 0 : part.tokens * part.width;
  return static_cast<std::size_t>(n_queries) * n_heads * (attend_row_floats(first, last) + part.width) +
         widened;
}

// Products with quantised activations.
struct IntegerKernels {
  // Quantises x [K] into a row of QuantLayout.
  void (*quantize)(const float* x, int k, std::uint8_t* out);
  // y[t, r] = sum over groups of scale * integer dot, for n_rows rows of MXFP4 weights: blocks [n_rows, K/32,
  // 16], scales [n_rows, K/32]. scratch: scratch_bytes(K), private to the thread.
  void (*mxfp4_matmul)(const std::uint8_t* blocks, const std::uint8_t* scales, int n_rows, int k, QuantRows x,
                       float* y, std::size_t y_stride, std::uint8_t* scratch);
};

struct Table {
  const char* name;

  // y[t, r] = sum_k w[r, k] x[t, k] for r < n_rows, t < n_tokens. w bf16 [n_rows, K], x f32, K a multiple
  // of 16.
  void (*bf16_matmul)(const bf16* w, int n_rows, int k, const float* x, std::size_t x_stride, int n_tokens,
                      float* y, std::size_t y_stride);
  // The same for rows row .. row + n_rows of a bf12 matrix, with the bits that bf16_matmul gives for the
  // matrix before packing. K a multiple of 32, row a multiple of 4.
  void (*bf12_matmul)(const Bf12& w, int row, int n_rows, int k, const float* x, std::size_t x_stride,
                      int n_tokens, float* y, std::size_t y_stride);
  // y[t, o] = sum_k x[rows[t], k] w[k, o] for o < n_out: bf16 experts as transformers saves them, [in, out].
  void (*bf16_matmul_in_out)(const bf16* w, std::size_t w_stride, int n_out, int k, const float* x,
                             std::size_t x_stride, const std::int32_t* rows, int n_tokens, float* y,
                             std::size_t y_stride);
  IntegerKernels one, three;
  const IntegerKernels& integer(Terms terms) const { return terms == Terms::one ? one : three; }
  // Packs rows 0..n_rows-1 (at most 16, the rest of the tile becomes zeros) of w [n_rows, K] into one Q8
  // tile.
  void (*q8_pack)(const bf16* w, int n_rows, int k, std::uint8_t* tile);
  // y[t, r] = sum over groups of scale * integer dot, for n_rows rows of a matrix in Q8 tiles;
  // activations of one term. scratch as for MXFP4.
  void (*q8_matmul)(const std::uint8_t* tiles, int n_rows, int k, QuantRows x, float* y, std::size_t y_stride,
                    std::uint8_t* scratch);
  // The same for Q6. A row of y has room for whole tiles.
  void (*q6_pack)(const bf16* w, int n_rows, int k, std::uint8_t* tile);
  void (*q6_matmul)(const std::uint8_t* tiles, int n_rows, int k, QuantRows x, float* y, std::size_t y_stride,
                    std::uint8_t* scratch);
  // y = (x / rms(x)) * w
  void (*rms_norm)(const float* x, const bf16* w, float eps, int n, float* y);
  // out[i] = (up + 1) * gate * sigmoid(alpha * gate), gate = min(h[2i], limit), up = clamp(h[2i+1], +-limit).
  void (*swiglu)(const float* h, int n, float limit, float alpha, float* out);
  void (*attend)(const AttendArgs& args);
  // y[i] = exp(x[i]); and the sum of exp(x[i] - shift), n up to 4096.
  void (*exp)(const float* x, int n, float* y);
  float (*sum_exp)(const float* x, int n, float shift);
  // Runs n rounds of the level's int8 dot product and returns operations a round (two for each multiply-add).
  double (*int8_peak)(long n);
};

// Bytes of scratch that any level's integer products need for rows of K inputs. They hold a tile of 32 rows,
// one byte a weight and one float a group, and the activations of kHeldTokens tokens in another layout, three
// terms and a float a group.
constexpr int kHeldTokens = 128;
constexpr std::size_t scratch_bytes(int k) {
  const std::size_t n_stored = QuantLayout(k, Terms::three).n_stored;
  return 32 * n_stored * (kGroup + 4) + kHeldTokens * n_stored * (3 * kGroup + 4) + 64;
}

const Table& reference();
const Table* avx2();  // nullptr where not compiled in
const Table* avxvnni();
const Table* avx512();
const Table* avx512vnni();
const Table* amx();
const Table* neon();
const Table* neon_dot();

struct Level {
  const Table* table;
  bool supported;  // by this machine
};

// Every level compiled in, from the plainest to the best.
const std::vector<Level>& levels();

// The level of that name; "" means OSSNB_ISA, else the best. Throws ValueError naming the choices.
const Table& choose(const char* name);

struct Feature {
  const char* name;
  bool present;
};
std::vector<Feature> cpu_features();

}  // namespace ossnb::kernels
