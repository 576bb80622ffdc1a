// The arguments of the kernels: one struct each, plain data, for the program that launches a kernel and for
// the kernel. Pointers are addresses on the device.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/both.h"
#include "choice/bounds.h"
#include "format/bf12.h"
#include "format/kv.h"

namespace ossnb::cuda {

using ull = unsigned long long;

constexpr int kTileRows = 64;     // rows of a dense or expert matrix that a block multiplies
constexpr int kTileTokens = 32;   // tokens that a block of a product of many tokens takes
constexpr int kFewTokens = 4;     // up to so many tokens have kernels of their own
constexpr int kBlockTokens = 32;  // of keys and values
constexpr int kBlockParts = 2;    // of a block: that of the layers that see all keys, and of the sliding ones
constexpr int kAttendKeys = 64;   // keys that the kernel of many queries reads together
constexpr int kMostHeadDim = 64;
constexpr int kRouterRows = 8;    // of a block
constexpr int kSharedRare = 256;  // listed weights of bf12 that a block keeps at hand

// Threads of a block, and bytes of its shared memory beside what grows with the model.
constexpr int kFewThreads = 128, kManyThreads = 512, kAttendThreads = 256, kExpertThreads = 128,
              kPickThreads = 256;
constexpr std::size_t kDenseFewShared = kFewTokens * sizeof(float) + kSharedRare * sizeof(Bf12::Rare),
                      kDenseManyShared = 31744, kDenseQ8ManyShared = 21760, kAttendManyShared = 52224,
                      kExpertOneShared = 160, kExpertExactManyShared = 17792, kExpertFastManyShared = 9600,
                      kPickShared = sizeof(double) * 2 * (kPickThreads / 32 + 1);

// A row of activations as integers: the signed bytes of each term in the order of the inputs, or, for Q8
// weights ("apart"), of each eight inputs the even ones before the odd ones; then an int (-sum) and a float
// (half the unit) for each group.
struct QuantRow {
  int n_groups, n_terms;
  OSSNB_BOTH constexpr QuantRow(int k, int terms) : n_groups(k / kGroup), n_terms(terms) {}
  OSSNB_BOTH constexpr int sums_at() const { return n_groups * kGroup * n_terms; }
  OSSNB_BOTH constexpr int units_at() const { return sums_at() + 4 * n_groups; }
  OSSNB_BOTH constexpr int bytes() const { return (units_at() + 4 * n_groups + 15) / 16 * 16; }
};

// The rows of a pass.
struct RowTable {
  const std::int32_t* positions;    // [T]
  const std::int32_t* first_block;  // [T] where the blocks of the row's sequence begin
  std::byte* const* blocks;         // of all sequences, the layer's part of each
  const float *cos, *sin;           // [T, Dh / 2]
};

// Where one layer's keys and values lie in a block's part (CudaKvStore).
struct KvPlace {
  KvPart part;
  ull at;  // of the layer
};

struct EmbedArgs {
  const bf16* from;  // [T, D]
  float* x;          // [T, D]
  int width;
};

// Row i of `to` becomes row rows[i] of `from`.
struct GatherArgs {
  const std::int32_t* rows;
  const float* from;
  float* to;
  int width;
};

// norm(x), or x where `weight` is null, as floats and as integers, each where it is wanted.
struct NormArgs {
  const float* x;  // [T, width]
  const bf16* weight;
  float* out;
  unsigned char* quant;  // [T] rows of QuantRow(width, n_terms)
  float eps;
  int width, n_terms;
  bool apart;
};

enum class Dense : int { bf16, bf12, q8 };

struct DenseMatrix {
  const void* weights;             // [rows, K]: bf16, or tiles of bf12 or Q8
  const bf16* bias;                // [rows], or null
  const std::uint8_t* high;        // bf12: the table
  const Bf12::Rare* rare;          // bf12: the listed weights
  const std::int32_t* first_rare;  // bf12: [tiles + 1] where each tile's begin
  int rows;
};

// What becomes of a product.
enum class End : int {
  store,  // out = y
  add,    // out += y
  query,  // rotate, store
  key,    // rotate, keep
  value   // keep
};

struct DensePart {
  DenseMatrix m;
  End end;
  float* out;
  int out_stride;
};

// y = m x for up to three matrices that share their inputs. Block b multiplies kTileRows rows; the first
// blocks are those of part 0.
struct DenseArgs {
  DensePart part[3];
  const float* x;              // [T, k], or
  const unsigned char* quant;  // Q8: [T] rows of QuantRow(k, 1), apart
  const bf16* norm;            // of x, or null; for few tokens alone
  float eps;
  int n_parts, k, n_tokens;
  RowTable rows;
  KvPlace kv;
  int n_kv_heads;
};

struct QueryRun {
  std::int32_t row, n;  // rows that attend together, at rising positions of one sequence
};

struct AttendArgs {
  RowTable rows;
  KvPlace kv;
  const QueryRun* runs;         // for the kernel of many queries
  const std::int32_t* singles;  // rows, for the kernels of one
  float* q;                     // [T, H * Dh], then the heads' outputs
  float *scores, *tops;         // [singles, H, n_keys], [singles, H, n_pieces], for long contexts
  float *sums, *values;         // [singles, H, n_pieces], [.., Dh]
  unsigned* arrived;            // [singles, Hk], zero before and after
  const bf16* sinks;            // [H]
  float scale;
  int q_stride, n_heads, n_kv_heads;
  int window;  // keys that a row sees at most; 0: all
  int n_keys;  // room in scores for a row
  int n_pieces;
};

struct RouteArgs {
  const float* x;                    // [T, D]
  const bf16 *norm, *weight, *bias;  // [D], [E, D], [E]
  float* normed;                     // [T, D], or null
  unsigned char* quant;              // [T] rows of QuantRow(D, n_terms), or null
  float* logits;                     // [T, E]
  std::int32_t* chosen;              // [T, A] likeliest first
  float* expert_weight;              // [T, A]
  unsigned* arrived;                 // [T], zero before and after
  float eps;
  int width, n_experts, n_chosen, n_terms;
};

// Pairs (row, one of its experts) sorted by expert, and the work of products: an expert and some of its
// pairs.
struct ExpertWork {
  std::int32_t expert, first, n;
};

struct SortArgs {
  const std::int32_t* chosen;  // [n_pairs]
  std::int32_t* pairs;         // [n_pairs] sorted
  ExpertWork* work;            // [most_work]; n = 0 behind the last
  int n_pairs, n_experts, most_work;
};

// Products of the experts. A pair p is row p / n_chosen with its expert p % n_chosen.
struct ExpertArgs {
  const std::uint8_t *blocks, *scales;  // MXFP4 [E, rows, K / 32, 16], [E, rows, K / 32]; or
  const bf16* in_out;                   // bf16 [E, K, rows]
  const bf16* bias;                     // [E, rows]
  const std::int32_t* chosen;           // [pairs]
  const std::int32_t* pairs;            // sorted; for the kernels of many tokens
  const ExpertWork* work;               // the same
  const unsigned char* x_quant;         // rows of QuantRow(k, terms), or
  const float* x;                       // [., k]
  unsigned char* act_quant;             // [pairs] rows of QuantRow(rows / 2, terms): SwiGLU's output, or
  float* out;                           // [pairs, rows], or [pairs, rows / 2] for SwiGLU
  int rows, k;
  int pairs_of_x;  // pairs that share a row of x: n_chosen, or 1
  bool is_gate_up;
  float limit, alpha;
};

// x += the weighted sum of each row's experts, likeliest first.
struct CombineArgs {
  const float* y;       // [T * A, D]
  const float* weight;  // [T, A]
  float* x;             // [T, D]
  int width, n_chosen;
};

// How a row's token is chosen from its logits.
struct PickRow {
  std::uint64_t seed;
  std::int64_t position;
  double inverse;             // of the temperature; 0: the likeliest
  const std::uint32_t* mask;  // allowed tokens, or null
};

// A row's likeliest token, and the winner of its race; -1 where no score is a number.
struct Picked {
  float top;
  std::int32_t likeliest, token;
};

struct PickPart {
  double score;
  std::int32_t token;
};

// The screen of one row: bounds of its logits, and what is known of the race so far.
struct ScreenState {
  LogitBounds bounds;
  double reached;   // a score that some token has
  float floor;      // a logit that some token has
  unsigned n_rows;  // of the candidates
};

constexpr int kScreenRows = 4;  // rows of activations that share the screen

// Candidates are tokens whose bound allows that they win. Kernels run in the order that screen.cu has them.
struct ScreenArgs {
  const float* normed;         // [n, width]
  const unsigned char* quant;  // [n] rows of QuantRow(width, 1), apart
  const std::uint8_t* tiles;   // of Q6
  const float* norms;          // [V, 2]
  const bf16* weights;         // lm_head [V, width]
  const PickRow* rows;         // [n]
  ScreenState* state;          // [n]
  float* approx;               // [n, V]
  PickPart* parts;             // [n, blocks of a kernel]
  unsigned* arrived;           // [n], zero before and after
  std::int32_t* candidates;    // [n, most]
  Picked* picked;              // [n]; token -1 where the screen cannot tell
  double gamma;
  int n, n_vocab, width, most;
  bool is_race;  // candidates run for the highest score, not for the largest logit
};

struct PickArgs {
  const float* logits;  // [n, V]
  const PickRow* rows;  // [n]
  Picked* picked;       // [n]
  PickPart* parts;      // [n, blocks]
  unsigned* arrived;    // [n], zero before and after
  int n_vocab;
};

}  // namespace ossnb::cuda
