// Attention over V, sixteen float lanes, for a few queries at a time, which share each read of the keys and
// values. Included at the end of float_kernels-inl.h.

// Scores of n neighbouring tiles of 16 keys for H heads: lane = key, summed over d in rising order. The next
// tiles are prefetched: a head's keys and values lie in short stretches, each of which begins with misses.
template <int H, int n>
static inline void score_tiles(const float* q, int head_dim, const float* tile, const float* next,
                               float scale, float* w, std::size_t w_stride) {
  const int tile_floats = head_dim * kKeyTile;
  V dot[H][n];
  for (int h = 0; h < H; ++h) {
    for (int i = 0; i < n; ++i) dot[h][i] = V::zero();
  }
  for (int d = 0; d < head_dim; ++d) {
    V key[n];
    for (int i = 0; i < n; ++i) {
      __builtin_prefetch(next + i * tile_floats + d * kKeyTile);
      key[i] = V::load(tile + i * tile_floats + d * kKeyTile);
    }
    for (int h = 0; h < H; ++h) {
      const V qd = V::set1(q[h * head_dim + d]);
      for (int i = 0; i < n; ++i) dot[h][i] = V::fma(qd, key[i], dot[h][i]);
    }
  }
  for (int h = 0; h < H; ++h) {
    for (int i = 0; i < n; ++i) V::store(w + h * w_stride + i * kKeyTile, V::mul(dot[h][i], V::set1(scale)));
  }
}

// Adds n values to out[h, 0 .. 16 * D), or to 0 where `fresh`, for H heads, in rising key order. `next`
// points to the n values that come after.
template <int H, int D>
static inline void mix_values(const float* w, std::size_t w_stride, const float* value, const float* next,
                              int head_dim, int n, bool fresh, float* out) {
  V acc[H][D];
  for (int h = 0; h < H; ++h) {
    for (int i = 0; i < D; ++i) acc[h][i] = fresh ? V::zero() : V::load(out + h * head_dim + i * kLanes);
  }
  for (int j = 0; j < n; ++j, value += head_dim, next += head_dim) {
    V v[D];
    for (int i = 0; i < D; ++i) {
      __builtin_prefetch(next + i * kLanes);
      v[i] = V::load(value + i * kLanes);
    }
    for (int h = 0; h < H; ++h) {
      const V wj = V::set1(w[h * w_stride + j]);
      for (int i = 0; i < D; ++i) acc[h][i] = V::fma(wj, v[i], acc[h][i]);
    }
  }
  for (int h = 0; h < H; ++h) {
    for (int i = 0; i < D; ++i) V::store(out + h * head_dim + i * kLanes, acc[h][i]);
  }
}

template <int H>
static inline void mix_heads(const float* w, std::size_t w_stride, const float* value, const float* next,
                             int head_dim, int n, bool fresh, float* out) {
  int d = 0;
  for (; d + kWidth * kLanes <= head_dim; d += kWidth * kLanes)
    mix_values<H, kWidth>(w, w_stride, value + d, next + d, head_dim, n, fresh, out + d);
  for (; d < head_dim; d += kLanes)
    mix_values<H, 1>(w, w_stride, value + d, next + d, head_dim, n, fresh, out + d);
}

// Turns the scores of keys from .. to into exp(score - max) and returns their sum with the sink's; the other
// places of their tiles become zero. w begins with the score of position base, a multiple of 16.
static inline float soften(float* w, int base, int from, int to, bf16 sink_bits) {
  const auto at = [=](int position) { return w + (position - base); };
  const int begin = from / kKeyTile * kKeyTile, end = (to + kKeyTile - 1) / kKeyTile * kKeyTile;
  std::fill(at(begin), at(from), -std::numeric_limits<float>::infinity());
  std::fill(at(to), at(end), -std::numeric_limits<float>::infinity());
  const float sink = bf16_to_f32(sink_bits);
  V top = V::set1(sink);
  for (int j = begin; j < end; j += kLanes) top = V::max(V::load(at(j)), top);
  alignas(64) float lane[kLanes];
  V::store(lane, top);
  const float m = *std::max_element(lane, lane + kLanes);
  float total = 0;  // adding the first piece to it changes no bit: exponentials are not negative
  for (int j = begin; j < end;) {
    V sum = V::zero();
    for (const int stop = std::min(piece_end(j), end); j < stop; j += kLanes) {
      const V e = exp16(V::sub(V::load(at(j)), V::set1(m)));
      V::store(at(j), e);
      sum = V::add(sum, e);
    }
    total += V::tree(sum);
  }
  V::store(lane, exp16(V::set1(sink - m)));
  return total + lane[0];
}

// Kept numbers as floats: n of them, or n rows of `width` numbers whose scales are one for each row, or one
// for each lane. Plain loops, which the compiler turns into the level's instructions: each number is rounded
// alone.
static inline void widen(const bf16* from, int n, float* to) {
  for (int i = 0; i < n; ++i) to[i] = bf16_to_f32(from[i]);
}

static inline void widen_rows(const std::int8_t* codes, const float* scales, int n, int width, float* to) {
  for (int j = 0; j < n; ++j, codes += width, to += width) {
    for (int d = 0; d < width; ++d) to[d] = static_cast<float>(codes[d]) * scales[j];
  }
}

static inline void widen_lanes(const std::int8_t* codes, const float* scales, int n, float* to) {
  for (int d = 0; d < n; ++d, codes += kKeyTile, to += kKeyTile) {
    for (int i = 0; i < kKeyTile; ++i) to[i] = static_cast<float>(codes[i]) * scales[i];
  }
}

// The data that the steps of attend() share: a row of scores for each query and head, and its sum behind it.
struct Attention {
  const AttendArgs& a;
  const int base = a.first(0) / kKeyTile * kKeyTile;  // position of a row's first score
  const std::size_t stride = attend_row_floats(a.first(0), a.last + a.n_queries - 1);
  const std::size_t q_heads = static_cast<std::size_t>(a.n_heads) * stride;       // from query to query
  const int width = a.n_heads * a.head_dim;                                       // of a query's output
  float* const pieces = a.scratch + a.n_queries * q_heads;                        // [n_queries, G, Dh]
  float* const widened = pieces + static_cast<std::size_t>(a.n_queries) * width;  // a part of a block

  float* row(int query, int head) const { return a.scratch + query * q_heads + head * stride; }
  float& sum(int query, int head) const { return row(query, head)[stride - 1]; }

  // The numbers of keys or values from `at` on, for those who know their format.
  template <class T>
  const T* of(const std::byte* const* blocks, int at) const {
    return reinterpret_cast<const T*>(blocks[at / a.block_tokens]) +
           static_cast<std::size_t>(at % a.block_tokens) * a.head_dim;
  }
  const float* scales(const std::byte* const* blocks, int at) const {
    return reinterpret_cast<const float*>(blocks[at / a.block_tokens] + a.part().scales_at()) +
           at % a.block_tokens;
  }

  // n keys (whole tiles) or values from `at` on, which lie in one block, as floats: where they are kept, or a
  // copy that stays until the next call.
  const float* keys(int at, int n) const {
    if (a.format == KvFormat::float32) return of<float>(a.keys, at);
    if (a.format == KvFormat::bf16) {
      widen(of<bf16>(a.keys, at), n * a.head_dim, widened);
    } else {
      for (int i = 0; i < n; i += kKeyTile) {
        widen_lanes(of<std::int8_t>(a.keys, at + i), scales(a.keys, at + i), a.head_dim,
                    widened + static_cast<std::size_t>(i) * a.head_dim);
      }
    }
    return widened;
  }
  const float* values(int at, int n) const {
    if (a.format == KvFormat::float32) return of<float>(a.values, at);
    if (a.format == KvFormat::bf16) {
      widen(of<bf16>(a.values, at), n * a.head_dim, widened);
    } else {
      widen_rows(of<std::int8_t>(a.values, at), scales(a.values, at), n, a.head_dim, widened);
    }
    return widened;
  }
  // What to prefetch while those at `now` are used: others that are read where they are kept.
  const float* next(const std::byte* const* blocks, int at, const float* now) const {
    return a.format == KvFormat::float32 && at < a.last + a.n_queries ? of<float>(blocks, at) : now;
  }

  // The scores of n tiles from `at` on, which lie in one block.
  template <int n>
  void score_from(int at) const {
    constexpr int kKeys = n * kKeyTile;
    const float* tile = keys(at, kKeys);
    const float* after = next(a.keys, at + kKeys, tile);
    for (int i = 0; i < a.n_queries; ++i) {
      if (at > a.last + i || at + kKeys <= a.first(i)) continue;
      for_steps<kHeads>(a.n_heads, [&]<int H>(int h) {
        score_tiles<H, n>(a.q + i * a.stride + h * a.head_dim, a.head_dim, tile, after, a.scale,
                          row(i, h) + at - base, stride);
      });
    }
  }

  void score() const {
    constexpr int kKeys = kScoreTiles * kKeyTile;
    const int end = (a.last + a.n_queries + kKeyTile - 1) / kKeyTile * kKeyTile;  // of the tiles
    for (int at = base; at < end;) {
      if (at % a.block_tokens + kKeys <= a.block_tokens && at + kKeys <= end) {
        score_from<kScoreTiles>(at);
        at += kKeys;
      } else {
        score_from<1>(at);
        at += kKeyTile;
      }
    }
  }

  // Adds the values of keys from .. to, which lie in one block and one piece, to the query's piece. `value`
  // points to the first of them, `after` to the values after them.
  void mix_span(int query, int from, int to, const float* value, const float* after) const {
    float* piece = pieces + static_cast<std::size_t>(query) * width;
    const bool fresh = from == a.first(query) || from % kPieceKeys == 0;
    for_steps<kHeads>(a.n_heads, [&]<int H>(int h) {
      mix_heads<H>(row(query, h) + from - base, stride, value, after, a.head_dim, to - from, fresh,
                   piece + h * a.head_dim);
    });
    const bool is_last = to == a.last + query + 1;
    if (is_last || to % kPieceKeys == 0)
      end_piece(query, piece, from / kPieceKeys == a.first(query) / kPieceKeys, is_last);
  }

  // Adds a piece to the query's output. The first piece begins the output. After the last piece the output is
  // divided by the sums.
  void end_piece(int query, const float* piece, bool is_first, bool is_last) const {
    float* out = a.out + query * a.stride;
    for (int h = 0; h < a.n_heads; ++h) {
      const V divisor = V::set1(sum(query, h));
      for (int d = h * a.head_dim; d < (h + 1) * a.head_dim; d += kLanes) {
        V total = V::load(piece + d);
        if (!is_first) total = V::add(V::load(out + d), total);
        V::store(out + d, is_last ? V::div(total, divisor) : total);
      }
    }
  }

  void mix() const {
    const int end = a.last + a.n_queries;
    for (int start = base, stop; start < end; start = stop) {
      const int block_end = (start / a.block_tokens + 1) * a.block_tokens;
      stop = std::min({block_end, piece_end(start), end});
      const float* value = values(start, stop - start);
      for (int i = 0; i < a.n_queries; ++i) {
        const int from = std::max(start, a.first(i)), to = std::min(stop, a.last + i + 1);
        const float* first = value + static_cast<std::size_t>(from - start) * a.head_dim;
        if (from < to) mix_span(i, from, to, first, next(a.values, stop, first));
      }
    }
  }
};

static void attend(const AttendArgs& a) {
  const Attention at{a};
  at.score();
  for (int i = 0; i < a.n_queries; ++i) {
    for (int h = 0; h < a.n_heads; ++h)
      at.sum(i, h) = soften(at.row(i, h), at.base, a.first(i), a.last + i + 1, a.sinks[h]);
  }
  at.mix();
}
