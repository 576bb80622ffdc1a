// Attention of single rows. A block takes one key/value head of a row, with all the query heads that share
// it. A row with few keys (a window, or the beginning of a text) takes one block; for a long context the
// pieces of 256 keys are blocks of their own, and the last that comes adds their sums in rising order.
#include "ops/cuda/attend-inl.h"

namespace ossnb::cuda {

namespace {

constexpr int kThreads = kAttendThreads;

// A block's row and head; G query heads share the keys.
struct One {
  int single, row, head, n_heads, head_dim, position, first;
  float* q;  // of the first query head
};

__device__ __forceinline__ One one_of(const AttendArgs& a, int single, int head) {
  One o;
  o.single = single;
  o.row = a.singles[single];
  o.head = head;
  o.n_heads = a.n_heads / a.n_kv_heads;
  o.head_dim = a.kv.part.width;
  o.position = a.rows.positions[o.row];
  o.first = first_key(a, o.position);
  o.q = a.q + static_cast<std::size_t>(o.row) * a.q_stride + head * o.n_heads * o.head_dim;
  return o;
}

// The scores of the keys from .. end - 1, a thread each, and the largest of each head: to
// score[head * stride + key - base]. qs [G, Dh] in shared memory.
template <KvFormat kFormat>
__device__ __forceinline__ void score_keys(const AttendArgs& a, const One& o, int from, int end,
                                           const float* qs, float* score, int stride, int base) {
  constexpr int kHeads = 8;  // side by side
  const KvHead<kFormat> kv(a, o.row, o.head);
  for (int key = from + threadIdx.x; key < end; key += blockDim.x) {
    const std::byte* keys = kv.block(key).keys;
    const float scale = kv.scale(keys, key);
    for (int h = 0; h < o.n_heads; h += kHeads) {
      const int n = min(kHeads, o.n_heads - h);
      float dot[kHeads] = {};
#pragma unroll 8
      for (int d = 0; d < o.head_dim; ++d) {
        const float k = kv.key(keys, key, d, scale);
#pragma unroll
        for (int i = 0; i < kHeads; ++i) {
          dot[i] = __fmaf_rn(qs[(h + (i < n ? i : 0)) * o.head_dim + d], k, dot[i]);
        }
      }
#pragma unroll
      for (int i = 0; i < kHeads; ++i) {
        if (i < n) score[(h + i) * stride + key - base] = __fmul_rn(dot[i], a.scale);
      }
    }
  }
}

// The largest of score[from .. end - 1], by a warp.
__device__ __forceinline__ float warp_max(const float* score, int n) {
  float top = __uint_as_float(0xff800000u);  // -infinity
  for (int i = threadIdx.x % kWarp; i < n; i += kWarp) top = larger(top, score[i]);
#pragma unroll
  for (int half = 16; half >= 1; half /= 2) top = larger(top, __shfl_xor_sync(kWhole, top, half));
  return top;
}

// Turns scores of the keys from .. end - 1 of a head into weights, and gives their sum: sixteen lanes by the
// key's position, in rising position. By a warp, whose upper half does as its lower one.
__device__ __forceinline__ float weigh(float* score, int from, int end, float top) {
  __syncwarp();
  for (int i = threadIdx.x % kWarp; i < end - from; i += kWarp) score[i] = exp1(__fsub_rn(score[i], top));
  __syncwarp();
  const int lane = threadIdx.x % 16;
  float sum = 0;
  for (int key = from + ((lane - from) & 15); key < end; key += 16) sum = __fadd_rn(sum, score[key - from]);
  return tree16(sum);
}

// The values of the keys from .. end - 1 of a piece, weighted: one chain for each (head, dimension).
template <KvFormat kFormat>
__device__ __forceinline__ float add_values(const KvHead<kFormat>& kv, int from, int end, const float* weight,
                                            int d) {
  float sum = 0;
  for (int key = from; key < end;) {  // block after block, so that eight values are on their way at a time
    const std::byte* values = kv.block(key).values;
    const int last = min(end, (key / kBlockTokens + 1) * kBlockTokens);
    int at = kv.value_at(key, d);
#pragma unroll 8
    for (; key < last; ++key, at += kv.width()) {
      sum = __fmaf_rn(weight[key - from], kv.number(values, at, kv.scale(values, key)), sum);
    }
  }
  return sum;
}

__device__ __forceinline__ void load_queries(const One& o, float* qs) {
  for (int i = threadIdx.x; i < o.n_heads * o.head_dim; i += blockDim.x) qs[i] = o.q[i];
  __syncthreads();
}

// Shared memory: queries [G, Dh], scores [G, keys], sums and tops [G].
template <KvFormat kFormat>
__device__ __forceinline__ void attend_whole(const AttendArgs& a) {
  const One o = one_of(a, blockIdx.y, blockIdx.x);
  const int n_keys = o.position - o.first + 1;
  float *qs = reinterpret_cast<float*>(dev::shared()), *score = qs + o.n_heads * o.head_dim,
        *sums = score + o.n_heads * a.n_keys;
  load_queries(o, qs);
  score_keys<kFormat>(a, o, o.first, o.position + 1, qs, score, a.n_keys, o.first);
  __syncthreads();
  for (int h = threadIdx.x / kWarp; h < o.n_heads; h += blockDim.x / kWarp) {
    const float sink = bf16_to_f32(a.sinks[o.head * o.n_heads + h]);
    float* of_head = score + h * a.n_keys;
    const float top = larger(sink, warp_max(of_head, n_keys));
    float sum = 0;
    for (int from = o.first; from <= o.position; from = kernels::piece_end(from)) {
      const float piece =
          weigh(of_head + from - o.first, from, min(kernels::piece_end(from), o.position + 1), top);
      sum = from == o.first ? piece : __fadd_rn(sum, piece);
    }
    if (threadIdx.x % kWarp == 0) sums[h] = __fadd_rn(sum, exp1(__fsub_rn(sink, top)));
  }
  __syncthreads();
  const KvHead<kFormat> kv(a, o.row, o.head);
  for (int i = threadIdx.x; i < o.n_heads * o.head_dim; i += blockDim.x) {
    const int h = i / o.head_dim;
    float total = 0;
    for (int from = o.first; from <= o.position; from = kernels::piece_end(from)) {
      const float piece = add_values(kv, from, min(kernels::piece_end(from), o.position + 1),
                                     score + h * a.n_keys + from - o.first, i % o.head_dim);
      total = from == o.first ? piece : __fadd_rn(total, piece);
    }
    o.q[i] = __fdiv_rn(total, sums[h]);
  }
}

// A block's piece of a long context.
struct Piece {
  int index, from, end;  // no keys where end <= from
};

__device__ __forceinline__ Piece piece_of(const One& o) {
  const int index = blockIdx.z;
  return {index, max(o.first, index * kPieceKeys), min(o.position + 1, (index + 1) * kPieceKeys)};
}

// Scores of one piece, and its largest.
template <KvFormat kFormat>
__device__ __forceinline__ void attend_scores(const AttendArgs& a) {
  const One o = one_of(a, blockIdx.y, blockIdx.x);
  const Piece piece = piece_of(o);
  if (piece.end <= piece.from) return;
  float* qs = reinterpret_cast<float*>(dev::shared());
  load_queries(o, qs);
  const std::size_t first_head = static_cast<std::size_t>(o.single) * a.n_heads + o.head * o.n_heads;
  float* score = a.scores + first_head * a.n_keys;
  score_keys<kFormat>(a, o, piece.from, piece.end, qs, score, a.n_keys, 0);
  __syncthreads();
  for (int h = threadIdx.x / kWarp; h < o.n_heads; h += blockDim.x / kWarp) {
    const float top =
        warp_max(score + static_cast<std::size_t>(h) * a.n_keys + piece.from, piece.end - piece.from);
    if (threadIdx.x % kWarp == 0) a.tops[(first_head + h) * a.n_pieces + piece.index] = top;
  }
}

// Weights and values of one piece; the last block of a row and head adds the pieces.
template <KvFormat kFormat>
__device__ __forceinline__ void attend_pieces(const AttendArgs& a) {
  const One o = one_of(a, blockIdx.y, blockIdx.x);
  const Piece piece = piece_of(o);
  if (piece.end <= piece.from) return;
  const int first_piece = o.first / kPieceKeys, last_piece = o.position / kPieceKeys;
  float *weight = reinterpret_cast<float*>(dev::shared()), *tops = weight + o.n_heads * kPieceKeys,
        *sums = tops + o.n_heads;
  const std::size_t first_head = static_cast<std::size_t>(o.single) * a.n_heads + o.head * o.n_heads;
  for (int h = threadIdx.x / kWarp; h < o.n_heads; h += blockDim.x / kWarp) {
    const std::size_t head = first_head + h;
    float* of_head = weight + h * kPieceKeys;
    for (int i = threadIdx.x % kWarp; i < piece.end - piece.from; i += kWarp) {
      of_head[i] = a.scores[head * a.n_keys + piece.from + i];
    }
    const float top =
        larger(bf16_to_f32(a.sinks[o.head * o.n_heads + h]),
               warp_max(a.tops + head * a.n_pieces + first_piece, last_piece - first_piece + 1));
    const float sum = weigh(of_head, piece.from, piece.end, top);
    if (threadIdx.x % kWarp == 0) {
      tops[h] = top;
      a.sums[head * a.n_pieces + piece.index] = sum;
    }
  }
  __syncthreads();
  const KvHead<kFormat> kv(a, o.row, o.head);
  for (int i = threadIdx.x; i < o.n_heads * o.head_dim; i += blockDim.x) {
    const int h = i / o.head_dim, d = i % o.head_dim;
    a.values[((first_head + h) * a.n_pieces + piece.index) * o.head_dim + d] =
        add_values(kv, piece.from, piece.end, weight + h * kPieceKeys, d);
  }
  auto* said = reinterpret_cast<unsigned*>(sums + o.n_heads);
  if (!arrives_last(a.arrived + o.single * a.n_kv_heads + o.head, last_piece - first_piece + 1, said)) return;

  for (int h = threadIdx.x; h < o.n_heads; h += blockDim.x) {
    const volatile float* of_piece = a.sums + (first_head + h) * a.n_pieces;
    float sum = of_piece[first_piece];
    for (int p = first_piece + 1; p <= last_piece; ++p) sum = __fadd_rn(sum, of_piece[p]);
    const float sink = bf16_to_f32(a.sinks[o.head * o.n_heads + h]);
    sums[h] = __fadd_rn(sum, exp1(__fsub_rn(sink, tops[h])));
  }
  __syncthreads();
  for (int i = threadIdx.x; i < o.n_heads * o.head_dim; i += blockDim.x) {
    const int h = i / o.head_dim, d = i % o.head_dim;
    const volatile float* of_piece = a.values + (first_head + h) * a.n_pieces * o.head_dim + d;
    float total = of_piece[first_piece * o.head_dim];
    for (int p = first_piece + 1; p <= last_piece; ++p) total = __fadd_rn(total, of_piece[p * o.head_dim]);
    o.q[i] = __fdiv_rn(total, sums[h]);
  }
}

}  // namespace

OSSNB_KERNEL(attend_whole_f32, AttendArgs, kThreads) { attend_whole<KvFormat::float32>(a); }
OSSNB_KERNEL(attend_whole_bf16, AttendArgs, kThreads) { attend_whole<KvFormat::bf16>(a); }
OSSNB_KERNEL(attend_whole_int8, AttendArgs, kThreads) { attend_whole<KvFormat::int8>(a); }
OSSNB_KERNEL(attend_scores_f32, AttendArgs, kThreads) { attend_scores<KvFormat::float32>(a); }
OSSNB_KERNEL(attend_scores_bf16, AttendArgs, kThreads) { attend_scores<KvFormat::bf16>(a); }
OSSNB_KERNEL(attend_scores_int8, AttendArgs, kThreads) { attend_scores<KvFormat::int8>(a); }
OSSNB_KERNEL(attend_pieces_f32, AttendArgs, kThreads, 2) { attend_pieces<KvFormat::float32>(a); }
OSSNB_KERNEL(attend_pieces_bf16, AttendArgs, kThreads, 2) { attend_pieces<KvFormat::bf16>(a); }
OSSNB_KERNEL(attend_pieces_int8, AttendArgs, kThreads, 2) { attend_pieces<KvFormat::int8>(a); }

}  // namespace ossnb::cuda
