// Attention of prompts: a block takes up to 64 pairs of a query and a head that share keys, and goes over the
// keys in tiles of 64, twice: once for the largest score, once for weights and values. A thread has a tile of
// four by four, of scores and then of outputs.
#include "ops/cuda/attend-inl.h"

namespace ossnb::cuda {

namespace {

constexpr int kPairs = 64, kKeys = kAttendKeys,
              kStride = 68;  // a stride that shares no bank with its neighbours
constexpr int kThreads = kAttendThreads;

// What a thread knows of its four pairs: the keys that each sees.
struct Seen {
  int first[4], last[4];
};

struct Shared {
  float queries[kMostHeadDim][kStride];  // [Dh, pairs]
  float keys[kMostHeadDim][kStride];     // [Dh, keys], then values [keys, Dh]
  float weights[kKeys][kStride];         // [keys, pairs]
};

static_assert(sizeof(Shared) == kAttendManyShared);

template <KvFormat kFormat>
class Many {
 public:
  __device__ __forceinline__ Many(const AttendArgs& a)
      : a_(a),
        s_(*reinterpret_cast<Shared*>(dev::shared())),
        run_(a.runs[blockIdx.y]),
        head_dim_(a.kv.part.width),
        head_shift_(head_dim_ == 16   ? 4
                    : head_dim_ == 32 ? 5
                                      : 6),
        n_heads_(a.n_heads / a.n_kv_heads),
        position_(a.rows.positions[run_.row]),
        kv_(a, run_.row, blockIdx.x),
        tx_(threadIdx.x % 16),
        ty_(threadIdx.x / 16) {}

  __device__ __forceinline__ void run() {
    load_queries();
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int pair = pair_at(i), position = position_ + pair / n_heads_;
      const bool is_there = pair < run_.n * n_heads_;
      seen_.first[i] = is_there ? first_key(a_, position) : 1;
      seen_.last[i] = is_there ? position : 0;
      top_[i] = sink(i);
    }
    const int from = first_key(a_, position_) / kKeys * kKeys, last = position_ + run_.n - 1;
    for (int tile = from; tile <= last; tile += kKeys) find_top(tile, last);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int half = 8; half >= 1; half /= 2)
        top_[i] = larger(top_[i], __shfl_xor_sync(kWhole, top_[i], half));
    }
    for (int tile = from; tile <= last; tile += kKeys) {
      weigh(tile, last);
      load_values(tile, last);
      add_lanes();
      add_values(tile, last);
      if (tile + kKeys > last || (tile + kKeys) % kPieceKeys == 0) end_piece(tile / kPieceKeys);
    }
    store();
  }

 private:
  __device__ __forceinline__ int pair_at(int i) const { return ty_ * 4 + i; }
  __device__ __forceinline__ float* row_of(int pair) const {
    const std::size_t row = run_.row + pair / n_heads_;
    return a_.q + row * a_.q_stride + (blockIdx.x * n_heads_ + pair % n_heads_) * head_dim_;
  }
  __device__ __forceinline__ float sink(int i) const {
    return bf16_to_f32(a_.sinks[blockIdx.x * n_heads_ + pair_at(i) % n_heads_]);
  }
  __device__ __forceinline__ bool sees(int i, int key) const {
    return key >= seen_.first[i] && key <= seen_.last[i];
  }

  // A number of the head of each of 64 pairs or keys, by all threads: several are on their way at a time.
  template <class Read, class Write>
  __device__ __forceinline__ void load(Read read, Write write) const {
    constexpr int kFlight = 4;
    for (int first = threadIdx.x; first < kKeys * head_dim_; first += kFlight * kThreads) {
      float numbers[kFlight];
#pragma unroll
      for (int j = 0; j < kFlight; ++j) numbers[j] = read(first + j * kThreads);
#pragma unroll
      for (int j = 0; j < kFlight; ++j) write(first + j * kThreads, numbers[j]);
    }
  }
  __device__ __forceinline__ int dimension(int i) const { return i & (head_dim_ - 1); }
  __device__ __forceinline__ int over_dimensions(int i) const { return i >> head_shift_; }

  __device__ __forceinline__ void load_queries() {
    load(
        [&](int i) {
          const int pair = over_dimensions(i);
          return pair < run_.n * n_heads_ ? row_of(pair)[dimension(i)] : 0.0f;
        },
        [&](int i, float q) { s_.queries[dimension(i)][over_dimensions(i)] = q; });
  }

  // Keys of a tile; zeros behind the last.
  __device__ __forceinline__ void load_keys(int tile, int last) {
    const auto slot = [&](int i) { return over_dimensions(i / kKeyTile) * kKeyTile + i % kKeyTile; };
    __syncthreads();
    load(
        [&](int i) {
          const int key = tile + slot(i);
          if (key > last) return 0.0f;
          const std::byte* keys = kv_.block(key).keys;
          return kv_.key(keys, key, dimension(i / kKeyTile), kv_.scale(keys, key));
        },
        [&](int i, float k) { s_.keys[dimension(i / kKeyTile)][slot(i)] = k; });
    __syncthreads();
  }

  __device__ __forceinline__ void load_values(int tile, int last) {
    __syncthreads();
    load(
        [&](int i) {
          const int key = tile + over_dimensions(i);
          if (key > last) return 0.0f;
          const std::byte* values = kv_.block(key).values;
          return kv_.number(values, kv_.value_at(key, dimension(i)), kv_.scale(values, key));
        },
        [&](int i, float v) { s_.keys[over_dimensions(i)][dimension(i)] = v; });
    __syncthreads();
  }

  // The scores of the thread's pairs and keys.
  __device__ __forceinline__ void score(float (&s)[4][4]) const {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int j = 0; j < 4; ++j) s[i][j] = 0;
    }
#pragma unroll 4
    for (int d = 0; d < head_dim_; ++d) {
      const float4 q4 = *reinterpret_cast<const float4*>(&s_.queries[d][ty_ * 4]),
                   k4 = *reinterpret_cast<const float4*>(&s_.keys[d][tx_ * 4]);
      const float q[4] = {q4.x, q4.y, q4.z, q4.w}, k[4] = {k4.x, k4.y, k4.z, k4.w};
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) s[i][j] = __fmaf_rn(q[i], k[j], s[i][j]);
      }
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int j = 0; j < 4; ++j) s[i][j] = __fmul_rn(s[i][j], a_.scale);
    }
  }

  __device__ __forceinline__ void find_top(int tile, int last) {
    load_keys(tile, last);
    float s[4][4];
    score(s);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (sees(i, tile + tx_ * 4 + j)) top_[i] = larger(top_[i], s[i][j]);
      }
    }
  }

  // Weights of a tile's keys, to shared memory; zero where a pair does not see the key.
  __device__ __forceinline__ void weigh(int tile, int last) {
    load_keys(tile, last);
    float s[4][4];
    score(s);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      float w[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        w[i] = sees(i, tile + tx_ * 4 + j) ? exp1(__fsub_rn(s[i][j], top_[i])) : 0.0f;
      }
      *reinterpret_cast<float4*>(&s_.weights[tx_ * 4 + j][ty_ * 4]) = {w[0], w[1], w[2], w[3]};
    }
  }

  // Sixteen lanes of the weights' sum, one a thread: the tile begins at a multiple of 16. A zero changes no
  // sum.
  __device__ __forceinline__ void add_lanes() {
#pragma unroll
    for (int key = 0; key < kKeys; key += 16) {
      const float4 w = *reinterpret_cast<const float4*>(&s_.weights[key + tx_][ty_ * 4]);
      lane_[0] = __fadd_rn(lane_[0], w.x);
      lane_[1] = __fadd_rn(lane_[1], w.y);
      lane_[2] = __fadd_rn(lane_[2], w.z);
      lane_[3] = __fadd_rn(lane_[3], w.w);
    }
  }

  // Values in rising key. A sum takes no product with a key that its pair does not see: that could turn -0 to
  // 0.
  __device__ __forceinline__ void add_values(int tile, int last) {
    bool sees_all = true;
#pragma unroll
    for (int i = 0; i < 4; ++i) sees_all = sees_all && sees(i, tile) && sees(i, tile + kKeys - 1);
    const int n = min(kKeys, last + 1 - tile);
#pragma unroll 4
    for (int key = 0; key < n; ++key) {
      const float4 w4 = *reinterpret_cast<const float4*>(&s_.weights[key][ty_ * 4]),
                   v4 = *reinterpret_cast<const float4*>(&s_.keys[key][tx_ * 4]);
      const float w[4] = {w4.x, w4.y, w4.z, w4.w}, v[4] = {v4.x, v4.y, v4.z, v4.w};
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (!sees_all && !sees(i, tile + key)) continue;
#pragma unroll
        for (int j = 0; j < 4; ++j) value_[i][j] = __fmaf_rn(w[i], v[j], value_[i][j]);
      }
    }
  }

  // Adds the sums of a piece to the totals, which begin as the first piece that a pair sees.
  __device__ __forceinline__ void end_piece(int piece) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float sum = tree16(lane_[i]);
      const int first = seen_.first[i] / kPieceKeys, last = seen_.last[i] / kPieceKeys;
      const bool begins = piece == first, goes_on = piece > first && piece <= last;
      sum_[i] = begins ? sum : goes_on ? __fadd_rn(sum_[i], sum) : sum_[i];
      lane_[i] = 0;
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const float value = value_[i][j];
        total_[i][j] = begins ? value : goes_on ? __fadd_rn(total_[i][j], value) : total_[i][j];
        value_[i][j] = 0;
      }
    }
  }

  __device__ __forceinline__ void store() const {
    if (tx_ * 4 >= head_dim_) return;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (pair_at(i) >= run_.n * n_heads_) continue;
      const float sum = __fadd_rn(sum_[i], exp1(__fsub_rn(sink(i), top_[i])));
#pragma unroll
      for (int j = 0; j < 4; ++j) row_of(pair_at(i))[tx_ * 4 + j] = __fdiv_rn(total_[i][j], sum);
    }
  }

  const AttendArgs& a_;
  Shared& s_;
  const QueryRun run_;
  const int head_dim_, head_shift_, n_heads_, position_;
  const KvHead<kFormat> kv_;
  const int tx_, ty_;  // of the thread's keys, or dimensions, and of its pairs
  Seen seen_;
  float top_[4], lane_[4] = {}, sum_[4] = {}, value_[4][4] = {}, total_[4][4] = {};
};

}  // namespace

OSSNB_KERNEL(attend_many_f32, AttendArgs, kThreads) { Many<KvFormat::float32>(a).run(); }
OSSNB_KERNEL(attend_many_bf16, AttendArgs, kThreads) { Many<KvFormat::bf16>(a).run(); }
OSSNB_KERNEL(attend_many_int8, AttendArgs, kThreads) { Many<KvFormat::int8>(a).run(); }

}  // namespace ossnb::cuda
