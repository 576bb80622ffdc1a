// bf12 matrices (kernels.h) in the written order of bf16_matmul: a group's inputs are widened to the floats
// that the bf16 weights would widen to. Included by float_kernels-inl.h.

// A tile on its way through its groups.
struct Bf12Tile {
  const std::uint8_t* groups;
  const Bf12Widener& widener;
  std::uint32_t begin;           // its place
  const Bf12::Rare *rare, *end;  // the next weight that is not in the table; the end of all of them

  // Calls use(row, lo, hi) with input group g of every row. Rare weights are still wrong there.
  template <class Use>
  void widened(int g, Use use) const {
    const std::uint8_t* group = groups + g * kBf12Group;
#pragma GCC unroll 4
    for (int r = 0; r < kBf12Rows; r += Bf12Widener::kRows) {
      widener.widen(group + r * kGroup, group + kBf12Rows * kGroup + r * kGroup / 2,
                    [&](int further, V lo, V hi) { use(r + further, lo, hi); });
    }
  }

  void prefetch(int g) const {
    for (int line = 0; line < kBf12Group; line += 64)
      __builtin_prefetch(groups + g * kBf12Group + line + kPrefetchBf12, 0, 4 - kPrefetchBf12Level);
  }

  // Brings n inputs from `start` on to wide [4, kBlockK].
  void operator()(int start, int n, float* wide) {
    for (int i = 0; i < n; i += kGroup) {
      prefetch((start + i) / kGroup);
      widened((start + i) / kGroup, [&](int r, V lo, V hi) {
        V::store(wide + r * kBlockK + i, lo);
        V::store(wide + r * kBlockK + i + kLanes, hi);
      });
    }
    for (; rare != end && rare->at < begin + kBf12Rows * (start + n); ++rare) {
      const std::uint32_t at = rare->at - begin - kBf12Rows * start;
      wide[at % kBf12Rows * kBlockK + at / kBf12Rows] = bf16_to_f32(static_cast<bf16>(rare->value));
    }
  }

  // The first group from here on with a rare weight, or n_groups.
  int next_rare_group(int n_groups) const {
    if (rare == end) return n_groups;
    return static_cast<int>(std::min<std::uint32_t>(n_groups, (rare->at - begin) / (kBf12Rows * kGroup)));
  }

  // Adds the products of one token and groups g .. stop, which hold no rare weight. The weights stay in
  // registers.
  void add_groups(int g, int stop, const float* x, float* sums) const {
    V sum[kBf12Rows];
    for (int r = 0; r < kBf12Rows; ++r) sum[r] = V::load(sums + r * kLanes);
    for (; g < stop; ++g) {
      prefetch(g);
      const V x0 = V::load(x + g * kGroup), x1 = V::load(x + g * kGroup + kLanes);
      widened(g, [&](int r, V lo, V hi) { sum[r] = V::fma(hi, x1, V::fma(lo, x0, sum[r])); });
    }
    for (int r = 0; r < kBf12Rows; ++r) V::store(sums + r * kLanes, sum[r]);
  }

  void add_token(int k, const float* x, RowSums<kBf12Rows>& sums) {
    const int n_groups = k / kGroup;
    for (int g = 0; g < n_groups; ++g) {
      const int stop = next_rare_group(n_groups);
      add_groups(g, stop, x, sums.lanes);
      g = stop;
      if (g < n_groups) sums.add_widened(g * kGroup, (g + 1) * kGroup, x, 0, *this);
    }
  }
};

static void bf12_matmul(const Bf12& w, int row, int n_rows, int k, const float* x, std::size_t x_stride,
                        int n_tokens, float* y, std::size_t y_stride) {
  constexpr int kPanel = kTokenSteps * kTokens;
  const Bf12Widener widener(w.high);
  for (int t = 0; t < n_tokens; t += kPanel) {
    const float* xp = x + t * x_stride;
    const Bf12::Rare* rare = w.rare_from(row, k);
    for (int r = row; r < row + n_rows; r += kBf12Rows) {
      Bf12Tile tile{w.tiles + r / kBf12Rows * bf12_tile_bytes(k), widener, static_cast<std::uint32_t>(r) * k,
                    rare, w.rare + w.n_rare};
      RowSums<kBf12Rows> sums(std::min(kPanel, n_tokens - t));
      if (sums.n == 1) {
        tile.add_token(k, xp, sums);
      } else {
        sums.add_widened(0, k, xp, x_stride, tile);
      }
      rare = tile.rare;
      sums.store(std::min(kBf12Rows, row + n_rows - r), y + t * y_stride + r - row, y_stride);
    }
  }
}
