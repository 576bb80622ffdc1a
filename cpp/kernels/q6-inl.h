// Products of Q6 tiles with several rows of activations, once for all levels. A level defines kQ6Tokens, the
// tokens that a tile meets at once, and q6_tile(). Included after float_kernels-inl.h.

// What a token brings to one group. The tokens of a step lie side by side, so that one pointer serves all.
struct Q6Inputs {
  std::int32_t words[8];  // q and q + 4 for q = 0 .. 3, as the upper bits of codes pair up
  std::int32_t lift;      // undoes the lift of unsigned codes
  float unit;
};
static_assert(sizeof(Q6Inputs) <= 3 * kGroup + 4, "scratch_bytes()");

// Sixteen rows by N tokens; inputs [n_groups, N]. The first tokens bring the tile, the others find it in a
// cache.
template <int N>
static void q6_tile(const std::uint8_t* tile, int n_groups, const Q6Inputs* inputs, bool brings, float* y,
                    std::size_t y_stride);

static inline void q6_inputs(const std::uint8_t* x, const QuantLayout& layout, Q6Inputs* inputs, int stride) {
  for (int g = 0; g < layout.n_groups; ++g, inputs += stride) {
    for (int q = 0; q < 4; ++q) {
      std::memcpy(inputs->words + 2 * q, x + g * 16 + 4 * q, 4);
      std::memcpy(inputs->words + 2 * q + 1, x + layout.half_stride + g * 16 + 4 * q, 4);
    }
    inputs->lift = kQ6Lift * reinterpret_cast<const std::int32_t*>(x + layout.sum_offset)[g];
    inputs->unit = reinterpret_cast<const float*>(x + layout.scale_offset)[g];
  }
}

static void q6_matmul(const std::uint8_t* tiles, int n_rows, int k, QuantRows x, float* y,
                      std::size_t y_stride, std::uint8_t* scratch) {
  const QuantLayout layout(k, Terms::one);
  auto* inputs = reinterpret_cast<Q6Inputs*>((reinterpret_cast<std::uintptr_t>(scratch) + 63) / 64 * 64);
  for (int t0 = 0; t0 < x.n; t0 += kHeldTokens) {
    const int n = std::min(kHeldTokens, x.n - t0);
    for_steps<kQ6Tokens>(n, [&]<int N>(int t) {
      for (int i = 0; i < N; ++i)
        q6_inputs(x.row(t0 + t + i, layout.bytes), layout, inputs + t * layout.n_groups + i, N);
    });
    for (int r = 0; r < n_rows; r += kQ8Rows) {
      const std::uint8_t* tile = tiles + r / kQ8Rows * q6_tile_bytes(k);
      for_steps<kQ6Tokens>(n, [&]<int N>(int t) {
        q6_tile<N>(tile, layout.n_groups, inputs + t * layout.n_groups, t0 + t == 0,
                   y + (t0 + t) * y_stride + r, y_stride);
      });
    }
  }
}
