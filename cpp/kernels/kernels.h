// The inner loops: single-threaded functions behind one table of pointers, one table for each instruction-set
// level. reference.cpp is the definition; in every level each output element is computed in the same written
// order, so all levels give the same bits (docs/NUMERICS.md). Preconditions are the caller's; nothing here
// throws.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/dtype.h"

namespace ossnb::kernels {

constexpr int kLanes = 16;    // partial sums of a float32 dot product: lane = k mod 16
constexpr int kKeyTile = 16;  // keys are stored transposed in tiles of 16 (data/kv.h)

// How many int8 terms hold an activation: three are 23 bits, float32's own grade (precision exact); one is
// what others use (precision fast).
enum class Terms { one = 1, three = 3 };

// A row of activations quantised in groups of 32, x = unit * v.
//   three: unit = 2^(e-22), e the exponent of the group's largest magnitude; v = 65536 * t0 + 256 * t1 + t2.
//   one:   unit = largest / 127; v = t0.
// Even and odd inputs lie apart, because that is how the nibbles come out of a weight byte.
struct QuantLayout {
  int n_terms;
  int n_groups;     // K / 32
  int n_stored;     // rounded up to 16 groups; the rest is zero
  int term_stride;  // bytes from one term to the next: two halves (even, odd inputs) of n_stored * 16
  int half_stride;
  int sum_offset;  // int32 [n_stored]: -sum(v) of the group, which takes the lift of unsigned codes off again
  int scale_offset;   // float [n_stored]: unit / 2
  std::size_t bytes;  // of one row, a multiple of 64

  constexpr QuantLayout(int k, Terms terms)
      : n_terms(static_cast<int>(terms)),
        n_groups(k / kGroup),
        n_stored((n_groups + 15) / 16 * 16),
        term_stride(n_stored * 32),
        half_stride(n_stored * 16),
        sum_offset(term_stride * n_terms),
        scale_offset(sum_offset + n_stored * 4),
        bytes(static_cast<std::size_t>(scale_offset) + n_stored * 4) {}
};

// Rows of quantised activations, picked by index: the tokens an expert serves.
struct QuantRows {
  const std::uint8_t* data;   // [*, layout.bytes]
  const std::int32_t* index;  // [n]
  int n;
  const std::uint8_t* row(int t, std::size_t bytes) const { return data + index[t] * bytes; }
};

// A few queries at rising positions, and one key/value head: G query heads that share it. Query i stands at
// position last + i and sees at most `window` keys up to itself.
struct AttendArgs {
  const float* q;      // [n_queries] rows of [G, Dh], rotated
  std::size_t stride;  // floats from one query's row to the next, of q and out
  int n_queries;
  int n_heads;                 // G
  int head_dim;                // Dh, a multiple of 16
  const float* const* keys;    // per block: [block_tokens / 16, Dh, 16]
  const float* const* values;  // per block: [block_tokens, Dh]
  int block_tokens;            // a multiple of 16
  int last, window;
  float scale;        // of the scores
  const bf16* sinks;  // [G]
  float* weights;     // scratch [n_queries, G, attend_row_floats(first(0), last + n_queries - 1)]
  float* out;         // like q, and may be q: scores are finished before the first output is written

  int first(int query) const { return last + query < window ? 0 : last + query - window + 1; }
};

// Room for the scores of keys first .. last in whole tiles, and for their sum.
constexpr std::size_t attend_row_floats(int first, int last) {
  return static_cast<std::size_t>(last / kKeyTile - first / kKeyTile + 2) * kKeyTile;
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

// Q8: a dense matrix with a byte a weight, made from bf16 for precision fast. Tiles of 16 rows; for each
// group of 32 inputs eight words of four codes a row ([8, 16 rows, 4], the first four words even inputs),
// then for all groups 16 scales in bf16, doubled. Codes are lifted by 128. A tile serves one token and many
// alike: lane = row.
constexpr int kQ8Rows = 16, kQ8Lift = 128;
constexpr std::size_t q8_tile_bytes(int k) {
  return static_cast<std::size_t>(k / kGroup) * (kQ8Rows * kGroup + kQ8Rows * 2);
}

// Q6: six bits a weight, to look at one token's products before lm_head itself is read. Tiles of 16 rows,
// group after group, so that a tile is one stream: the lower four bits of the codes, lifted by 32, [4, 16
// rows, 4], word q of Q8 in the lower halves of the bytes and word q + 4 in the upper ones; the upper two
// bits, [2, 16 rows, 4], words 0..3 from the lowest bits of the first, words 4..7 of the second; 16 scales as
// in Q8.
constexpr int kQ6Lift = 32, kQ6Codes = kQ8Rows * kGroup * 6 / 8, kQ6Group = kQ6Codes + kQ8Rows * 2;
constexpr std::size_t q6_tile_bytes(int k) { return static_cast<std::size_t>(k / kGroup) * kQ6Group; }

// The codes of a group of row r.
inline void q6_codes(const std::uint8_t* group, int r, std::int8_t* codes) {
  constexpr int kWord = kQ8Rows * 4;
  const auto word = [&](int i) {  // four bytes
    std::uint32_t four;
    std::memcpy(&four, group + i * kWord + r * 4, 4);
    return four;
  };
  for (int q = 0; q < 4; ++q) {
    for (int odd = 0; odd < 2; ++odd) {
      const std::uint32_t low = word(q) >> (4 * odd) & 0x0f0f0f0f,
                          upper = word(4 + odd) >> (2 * q) & 0x03030303;
      const std::uint32_t four = low | upper << 4;
      for (int i = 0; i < 4; ++i)  // input 8 q + 2 i + odd
        codes[8 * q + 2 * i + odd] = static_cast<std::int8_t>((four >> (8 * i) & 63) - kQ6Lift);
    }
  }
}

// bf12: a bf16 matrix in 12 bits a weight, and nothing lost. The high byte of a weight, its sign and the
// upper seven bits of its exponent, takes few values: four bits point into a table of the sixteen most
// frequent, and the low byte stays as it is. The few weights with another high byte are listed. Tiles of four
// rows: for each group of 32 inputs the low bytes [4, 32], then the pointers [4, 16], two in a byte; one
// stream of 192 bytes, three lines of a cache, for all four.
constexpr int kBf12Rows = 4, kBf12Group = kBf12Rows * (kGroup + kGroup / 2);
constexpr std::size_t bf12_tile_bytes(int k) { return static_cast<std::size_t>(k / kGroup) * kBf12Group; }

// Where input j of a group has its low byte, and in that order its pointer (places 0..15 in the lower halves
// of the 16 bytes, 16..31 in the upper ones): so that unpacking within 16-byte lanes brings inputs in order.
constexpr int bf12_place(int j) { return j % 8 / 4 * 16 + j / 8 * 4 + j % 4; }

struct Bf12 {
  struct Rare {
    std::uint32_t at;     // (tile * K + input) * 4 + row of the tile
    std::uint32_t value;  // bf16
  };
  const std::uint8_t* tiles = nullptr;
  const std::uint8_t* high = nullptr;  // [16]
  const Rare* rare = nullptr;          // [n_rare], rising
  int n_rare = 0;

  // The first that is not before `row`, a tile's first.
  const Rare* rare_from(int row, int k) const {
    return std::lower_bound(rare, rare + n_rare, static_cast<std::uint32_t>(row) * k,
                            [](const Rare& r, std::uint32_t at) { return r.at < at; });
  }
};

struct Table {
  const char* name;

  // y[t, r] = sum_k w[r, k] x[t, k] for r < n_rows, t < n_tokens. w bf16 [n_rows, K], x f32, K a multiple
  // of 16.
  void (*bf16_matmul)(const bf16* w, int n_rows, int k, const float* x, std::size_t x_stride, int n_tokens,
                      float* y, std::size_t y_stride);
  // The same for rows row .. row + n_rows of a bf12 matrix: bit for bit what bf16_matmul gives for what was
  // packed. K a multiple of 32, row a multiple of 4.
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
  // The same for Q6 and one token, a row of QuantLayout. y has room for whole tiles.
  void (*q6_pack)(const bf16* w, int n_rows, int k, std::uint8_t* tile);
  void (*q6_matmul)(const std::uint8_t* tiles, int n_rows, int k, const std::uint8_t* x, float* y);
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

// Bytes of scratch that any level's integer products need for rows of K inputs: a tile of 32 rows, one byte a
// weight and one float a group, and the activations of so many tokens laid out anew, three terms and a float
// a group.
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
