// Every kernel of every level that this machine runs, bit by bit against reference(), for machines without
// Python:
//   compare_levels             prints the levels, a hash of the reference's results, "N passed, N failed"
//   compare_levels --forward   prints a hash of a tiny model's logits for each level (tiny_model.cpp)
// The hashes must be the same on every machine. docs/NUMERICS.md says what is promised.
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <tuple>

#include "kernels/kernels.h"
#include "ops/cpu/kv.h"
#include "ops/cpu/pack.h"
#include "seeded.h"
#include "tiny_model.h"
#include "work.h"

namespace ossnb::testing {
namespace {

using kernels::Table;
using Bits = std::vector<std::uint32_t>;

struct Case {
  std::string name;
  std::function<Bits(const Table&)> run;
};

constexpr std::uint32_t kUntouched = 0x7fa5a5a5;  // a NaN that no kernel makes

// Bits of floats; every NaN but kUntouched is the same, since payloads are not promised.
Bits bits_of(const std::vector<float>& x) {
  Bits bits;
  for (const float v : x) {
    const auto word = std::bit_cast<std::uint32_t>(v);
    bits.push_back(v == v || word == kUntouched ? word : 0x7fc00000);
  }
  return bits;
}

std::vector<float> untouched(std::size_t n) {
  return std::vector<float>(n, std::bit_cast<float>(kUntouched));
}

// A copy that ends where the next page cannot be read, as a tensor may at the end of a mapped file: a kernel
// that reads past its weights crashes here.
template <class T>
class AtPageEnd {
 public:
  explicit AtPageEnd(const std::vector<T>& values) {
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE)), n = values.size() * sizeof(T);
    const std::size_t room = (n + page - 1) / page * page;
    n_bytes_ = room + page;
    base_ = static_cast<char*>(
        mmap(nullptr, n_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base_ + room, page, PROT_NONE);
    data_ = base_ + room - n;
    std::memcpy(data_, values.data(), n);
  }
  ~AtPageEnd() { munmap(base_, n_bytes_); }
  AtPageEnd(const AtPageEnd&) = delete;
  AtPageEnd& operator=(const AtPageEnd&) = delete;
  const T* data() const { return reinterpret_cast<const T*>(data_); }

 private:
  char *base_, *data_;
  std::size_t n_bytes_;
};

// Activations [n_rows, k] in groups of every kind: ordinary, zero, tiny, huge, subnormal, with an outlier,
// and when `broken` also with an infinity or a NaN.
std::vector<float> activations(Random& random, int n_rows, int k, bool broken = false) {
  std::vector<float> x = random.floats(static_cast<std::size_t>(n_rows) * k);
  const float kinds[] = {1, 1, 0, 1e-3f, 1e-30f, 1e30f, 1e-38f, 1e-42f};
  for (std::size_t i = 0; i < x.size(); i += kGroup) {
    const float factor = kinds[random.below(8)];
    for (int j = 0; j < kGroup; ++j) x[i + j] *= factor;
    if (random.below(4) == 0) x[i + random.below(kGroup)] *= 1e4f;
    const float limits[] = {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()};
    if (broken && random.below(6) == 0) x[i + random.below(kGroup)] = limits[random.below(2)];
  }
  return x;
}

std::vector<std::uint8_t> quantized(const Table& level, Terms terms, const std::vector<float>& x, int k) {
  const QuantLayout layout(k, terms);
  const std::size_t n_rows = x.size() / k;
  std::vector<std::uint8_t> out(n_rows * layout.bytes, 0xa5);
  for (std::size_t t = 0; t < n_rows; ++t) {
    level.integer(terms).quantize(x.data() + t * k, k, out.data() + t * layout.bytes);
  }
  return out;
}

std::vector<std::int32_t> shuffled(Random& random, int n) {
  std::vector<std::int32_t> index(n);
  for (int i = 0; i < n; ++i) {
    index[i] = i;
    std::swap(index[i], index[random.below(i + 1)]);
  }
  return index;
}

std::string text(const char* kernel, std::initializer_list<int> sizes) {
  std::string s = kernel;
  for (const int size : sizes) s.append(" ").append(std::to_string(size));
  return s;
}

// Each function below makes one case; its sizes seed it. Results have three columns more than are written.

Case bf16_matmul(int k, int n_rows, int n_tokens) {
  return {text("bf16_matmul", {k, n_rows, n_tokens}), [=](const Table& level) {
            Random random(1000003ull * k + 1009 * n_rows + n_tokens);
            const AtPageEnd<bf16> w(random.bf16s(static_cast<std::size_t>(n_rows) * k));
            const std::size_t x_stride = k + 5, y_stride = n_rows + 3;
            const std::vector<float> x = random.floats(n_tokens * x_stride);
            std::vector<float> y = untouched(n_tokens * y_stride);
            level.bf16_matmul(w.data(), n_rows, k, x.data(), x_stride, n_tokens, y.data(), y_stride);
            return bits_of(y);
          }};
}

Case bf12_matmul(int k, int n_rows, int n_tokens) {
  return {text("bf12_matmul", {k, n_rows, n_tokens}), [=](const Table& level) {
            Random random(7000003ull * k + 1009 * n_rows + n_tokens);
            std::vector<bf16> w = random.bf16s(static_cast<std::size_t>(n_rows) * k);
            for (std::size_t i = 0; i < w.size() / 300; ++i)  // zeros, subnormal and enormous numbers
              w[random.below(static_cast<int>(w.size()))] = static_cast<bf16>(random.below(1 << 16) & 0xc07f);
            const std::size_t tile = bf12_tile_bytes(k);
            std::vector<std::uint8_t> tiles((n_rows + kBf12Rows - 1) / kBf12Rows * tile);
            std::uint8_t high[16];
            ThreadPool pool(1);
            const auto rare = pack_bf12(w.data(), n_rows, k, tiles.data(), high, pool);
            if (!rare) return Bits{};
            const AtPageEnd<std::uint8_t> mapped(tiles);
            const int first = n_rows > 20 ? 8 : 0, n = n_rows - first;
            const std::size_t x_stride = k + 5, y_stride = n + 3;
            const std::vector<float> x = random.floats(n_tokens * x_stride);
            std::vector<float> y = untouched(n_tokens * y_stride);
            level.bf12_matmul({mapped.data(), high, rare->data(), static_cast<int>(rare->size())}, first, n,
                              k, x.data(), x_stride, n_tokens, y.data(), y_stride);
            return bits_of(y);
          }};
}

Case bf16_matmul_in_out(int k, int n_out, int n_tokens) {
  return {text("bf16_matmul_in_out", {k, n_out, n_tokens}), [=](const Table& level) {
            Random random(2000003ull * k + 1009 * n_out + n_tokens);
            const AtPageEnd<bf16> w(random.bf16s(static_cast<std::size_t>(n_out) * k));
            const std::vector<float> x = random.floats(static_cast<std::size_t>(n_tokens) * k);
            const std::vector<std::int32_t> rows = shuffled(random, n_tokens);
            const std::size_t y_stride = n_out + 3;
            std::vector<float> y = untouched(n_tokens * y_stride);
            level.bf16_matmul_in_out(w.data(), n_out, n_out, k, x.data(), k, rows.data(), n_tokens, y.data(),
                                     y_stride);
            return bits_of(y);
          }};
}

Case quantize(Terms terms, int k) {
  return {text("quantize", {static_cast<int>(terms), k}), [=](const Table& level) {
            Random random(3000003ull * k + static_cast<int>(terms));
            const std::vector<std::uint8_t> rows =
                quantized(level, terms, activations(random, 9, k, true), k);
            return Bits(rows.begin(), rows.end());
          }};
}

Case mxfp4_matmul(Terms terms, int k, int n_rows, int n_tokens, bool broken = false) {
  return {text("mxfp4_matmul", {static_cast<int>(terms), k, n_rows, n_tokens}), [=](const Table& level) {
            Random random(4000003ull * k + 1009 * n_rows + n_tokens);
            const std::size_t groups = static_cast<std::size_t>(n_rows) * k / kGroup;
            const AtPageEnd<std::uint8_t> blocks(random.bytes(groups * kGroupBytes, 0, 256));
            std::vector<std::uint8_t> exponents = random.bytes(groups, 100, 140);
            for (std::uint8_t& e : exponents) e = random.below(20) == 0 ? 0 : e;  // 2^-127
            const AtPageEnd<std::uint8_t> scales(exponents);
            const std::vector<std::uint8_t> x =
                quantized(kernels::reference(), terms, activations(random, n_tokens, k, broken), k);
            const std::vector<std::int32_t> rows = shuffled(random, n_tokens);
            std::vector<std::uint8_t> scratch(kernels::scratch_bytes(k));
            const std::size_t y_stride = n_rows + 3;
            std::vector<float> y = untouched(n_tokens * y_stride);
            level.integer(terms).mxfp4_matmul(blocks.data(), scales.data(), n_rows, k,
                                              {x.data(), rows.data(), n_tokens}, y.data(), y_stride,
                                              scratch.data());
            return bits_of(y);
          }};
}

std::vector<std::uint8_t> packed(const Table& level, const std::vector<bf16>& w, int n_rows, int k) {
  const std::size_t tile = q8_tile_bytes(k);
  std::vector<std::uint8_t> tiles((n_rows + 15) / 16 * tile);
  const AtPageEnd<bf16> rows(w);
  for (int r = 0; r < n_rows; r += 16) {
    level.q8_pack(rows.data() + static_cast<std::size_t>(r) * k, std::min(16, n_rows - r), k,
                  tiles.data() + r / 16 * tile);
  }
  return tiles;
}

Case q8_pack(int k, int n_rows) {
  return {text("q8_pack", {k, n_rows}), [=](const Table& level) {
            Random random(7000003ull * k + n_rows);
            std::vector<bf16> w = random.bf16s(static_cast<std::size_t>(n_rows) * k, 0.02f);
            for (std::size_t i = 0; i < w.size(); i += kGroup) {
              const float kinds[] = {0, 1e-38f, 1e-30f, 1e30f};
              const std::vector<bf16> group = random.bf16s(kGroup, kinds[random.below(4)]);
              if (random.below(4) == 0) std::copy(group.begin(), group.end(), w.begin() + i);
            }
            const std::vector<std::uint8_t> tiles = packed(level, w, n_rows, k);
            return Bits(tiles.begin(), tiles.end());
          }};
}

Case q8_matmul(int k, int n_rows, int n_tokens) {
  return {text("q8_matmul", {k, n_rows, n_tokens}), [=](const Table& level) {
            Random random(5000003ull * k + 1009 * n_rows + n_tokens);
            const std::vector<bf16> w = random.bf16s(static_cast<std::size_t>(n_rows) * k);
            const AtPageEnd<std::uint8_t> tiles(packed(kernels::reference(), w, n_rows, k));
            const std::vector<std::uint8_t> x =
                quantized(kernels::reference(), Terms::one, activations(random, n_tokens, k), k);
            const std::vector<std::int32_t> rows = shuffled(random, n_tokens);
            const std::size_t y_stride = n_rows + 3;
            std::vector<float> y = untouched(n_tokens * y_stride);
            std::vector<std::uint8_t> scratch(kernels::scratch_bytes(k));
            level.q8_matmul(tiles.data(), n_rows, k, {x.data(), rows.data(), n_tokens}, y.data(), y_stride,
                            scratch.data());
            return bits_of(y);
          }};
}

Case q6_matmul(int k, int n_rows, int n_tokens) {
  return {text("q6_matmul", {k, n_rows, n_tokens}), [=](const Table& level) {
            Random random(8000003ull * k + 1009 * n_rows + n_tokens);
            const std::vector<bf16> w = random.bf16s(static_cast<std::size_t>(n_rows) * k);
            const std::size_t tile = q6_tile_bytes(k);
            const int n_tiles = (n_rows + kQ8Rows - 1) / kQ8Rows;
            std::vector<std::uint8_t> tiles(n_tiles * tile);
            for (int i = 0; i < n_tiles; ++i) {
              const int row = i * kQ8Rows;
              level.q6_pack(w.data() + static_cast<std::size_t>(row) * k, std::min(kQ8Rows, n_rows - row), k,
                            tiles.data() + i * tile);
            }
            const AtPageEnd<std::uint8_t> mapped(tiles);
            const std::vector<std::uint8_t> x =
                quantized(kernels::reference(), Terms::one, activations(random, n_tokens, k), k);
            const std::vector<std::int32_t> rows = shuffled(random, n_tokens);
            const std::size_t y_stride = n_tiles * kQ8Rows + 3;
            std::vector<float> y = untouched(n_tokens * y_stride);
            std::vector<std::uint8_t> scratch(kernels::scratch_bytes(k));
            level.q6_matmul(mapped.data(), n_rows, k, {x.data(), rows.data(), n_tokens}, y.data(), y_stride,
                            scratch.data());
            Bits bits;
            for (int t = 0; t < n_tokens; ++t) {
              const Bits of_token = bits_of({y.begin() + t * y_stride, y.begin() + t * y_stride + n_rows});
              bits.insert(bits.end(), of_token.begin(), of_token.end());
            }
            bits.insert(bits.end(), tiles.begin(), tiles.end());
            return bits;
          }};
}

Case rms_norm(int n, float scale) {
  return {text("rms_norm", {n}), [=](const Table& level) {
            Random random(n);
            const std::vector<float> x = random.floats(n, scale);
            const AtPageEnd<bf16> w(random.bf16s(n));
            std::vector<float> y = untouched(n + 3);
            level.rms_norm(x.data(), w.data(), 1e-5f, n, y.data());
            return bits_of(y);
          }};
}

Case swiglu(int n) {
  return {text("swiglu", {n}), [=](const Table& level) {
            std::vector<float> h = Random(n).floats(2 * n, 8);
            const float infinity = std::numeric_limits<float>::infinity();
            const float edges[] = {std::nanf(""), -200.0f,   7.5f,  std::nanf(""),
                                   infinity,      -infinity, -0.0f, -7.0f};
            for (std::size_t i = 0; i < std::min(h.size(), std::size(edges)); ++i) h[i] = edges[i];
            std::vector<float> out = untouched(n + 3);
            level.swiglu(h.data(), n, 7.0f, 1.702f, out.data());
            return bits_of(out);
          }};
}

Case exp(int n) {
  return {text("exp", {n}), [=](const Table& level) {
            std::vector<float> x = Random(n).floats(n, 40);
            const float infinity = std::numeric_limits<float>::infinity();
            for (const float edge : {0.0f, -0.0f, -87.0f, 88.0f, 1e-42f, infinity, -infinity, std::nanf("")})
              x.push_back(edge);
            std::vector<float> y = untouched(x.size() + 3);
            level.exp(x.data(), static_cast<int>(x.size()), y.data());
            return bits_of(y);
          }};
}

Case sum_exp(int n) {
  return {text("sum_exp", {n}), [=](const Table& level) {
            return bits_of({level.sum_exp(Random(n).floats(n, 5).data(), n, 11.5f)});
          }};
}

Case attend(KvFormat format, int n_heads, int head_dim, int n_queries, int last, int window) {
  const int kind = static_cast<int>(format);
  return {text("attend", {kind, n_heads, head_dim, n_queries, last, window}), [=](const Table& level) {
            constexpr int kBlock = 32;
            Random random(6000003ull * n_heads + 1009 * head_dim + 31 * n_queries + 17 * window + last);
            const std::size_t width = static_cast<std::size_t>(n_heads) * head_dim;
            const std::vector<float> q = random.floats(n_queries * width, 3);
            const KvPart part{format, kBlock, head_dim};
            std::vector<std::vector<std::byte>> blocks;
            std::vector<const std::byte*> keys, values;
            for (int b = 0; b <= (last + n_queries - 1) / kBlock; ++b) {
              for (auto* of : {&keys, &values}) {
                std::vector<std::byte>& block = blocks.emplace_back(part.bytes());
                for (int slot = 0; slot < kBlock; ++slot) {
                  const std::vector<float> row = random.floats(head_dim);
                  (of == &keys ? put_key : put_value)(part, block.data(), slot, row.data());
                }
                of->push_back(block.data());
              }
            }
            const std::vector<bf16> sinks = random.bf16s(n_heads);
            std::vector<float> scratch(
                ossnb::kernels::attend_scratch_floats(n_queries, n_heads, part, 0, last + n_queries - 1));
            std::vector<float> out = untouched(n_queries * width + 3);
            level.attend({.q = q.data(),
                          .stride = width,
                          .n_queries = n_queries,
                          .n_heads = n_heads,
                          .head_dim = head_dim,
                          .format = format,
                          .keys = keys.data(),
                          .values = values.data(),
                          .block_tokens = kBlock,
                          .last = last,
                          .window = window,
                          .scale = 0.125f,
                          .sinks = sinks.data(),
                          .scratch = scratch.data(),
                          .out = out.data()});
            return bits_of(out);
          }};
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  // gpt-oss's own 90 groups, an odd number of groups, fewer than four, one
  const int widths[] = {32, 64, 96, 160, 384, 2880};
  for (const int k : {16, 32, 96, 384, 2880}) {
    for (const auto& [rows, tokens] : {std::pair{1, 1}, {3, 2}, {4, 6}, {7, 13}, {33, 5}})
      cases.push_back(bf16_matmul(k, rows, tokens));
    if (k % kGroup != 0) continue;
    for (const auto& [rows, tokens] : {std::pair{1, 1}, {8, 1}, {30, 1}, {33, 5}, {7, 60}})
      cases.push_back(bf12_matmul(k, rows, tokens));
  }
  for (const int k : {16, 100}) {
    for (const auto& [out, tokens] : {std::pair{32, 1}, {96, 2}, {64, 3}, {160, 7}})
      cases.push_back(bf16_matmul_in_out(k, out, tokens));
  }
  for (const int k : widths) {
    for (const Terms terms : {Terms::one, Terms::three}) {
      cases.push_back(quantize(terms, k));
      cases.push_back(mxfp4_matmul(terms, k, 5, 9, true));
      for (const auto& [rows, tokens] : {std::pair{1, 1}, {4, 1}, {5, 3}, {32, 4}, {37, 9}, {70, 13}})
        if (k < 2880 || rows <= 37) cases.push_back(mxfp4_matmul(terms, k, rows, tokens));
    }
    for (const auto& [rows, tokens] : {std::pair{1, 1}, {16, 1}, {17, 2}, {31, 3}, {48, 5}, {32, 12}})
      cases.push_back(q8_matmul(k, rows, tokens));
    for (const int rows : {1, 16, 35}) cases.push_back(q8_pack(k, rows));
    for (const auto& [rows, tokens] : {std::pair{1, 1}, {16, 2}, {35, 1}, {17, 3}, {5, 8}, {33, 17}})
      cases.push_back(q6_matmul(k, rows, tokens));
  }
  for (const int n : {16, 64, 2880}) {
    for (const float scale : {1e-6f, 1.0f, 1e4f}) cases.push_back(rms_norm(n, scale));
  }
  for (const int n : {1, 15, 16, 33, 1000}) {
    cases.push_back(swiglu(n));
    cases.push_back(exp(n));
    cases.push_back(sum_exp(n));
  }
  for (const auto& [heads, head_dim] : {std::pair{8, 64}, {2, 32}, {1, 16}, {5, 48}, {16, 80}}) {
    for (const auto& [n, last, window] : {std::tuple{1, 0, 1},
                                          {1, 15, 16},
                                          {1, 16, 17},
                                          {1, 3, 1},
                                          {1, 16, 2},
                                          {1, 147, 128},
                                          {4, 0, 150},
                                          {3, 14, 2},
                                          {4, 62, 33},
                                          {4, 145, 128},
                                          {4, 254, 400},
                                          {8, 380, 128},
                                          {1, 600, 345}})
      for (const auto format : {KvFormat::float32, KvFormat::bf16, KvFormat::int8})
        cases.push_back(attend(format, heads, head_dim, n, last, window));
  }
  return cases;
}

bool same(const Case& one, const char* level, const Bits& expected, const Bits& got) {
  if (got == expected) return true;
  std::size_t at = 0;
  while (got[at] == expected[at]) ++at;
  std::printf("FAILED %s %s: element %zu is %08x, expected %08x\n", level, one.name.c_str(), at, got[at],
              expected[at]);
  return false;
}

int compare() {
  Hash hash;
  int passed = 0, failed = 0;
  std::printf("levels:");
  for (const kernels::Level& level : kernels::levels()) {
    if (level.supported) std::printf(" %s", level.table->name);
  }
  std::printf("\nchosen: %s\n", kernels::choose("").name);
  for (const Case& one : all_cases()) {
    const Bits expected = one.run(kernels::reference());
    for (const std::uint32_t word : expected) hash.add(word);
    for (const kernels::Level& level : kernels::levels()) {
      if (!level.supported || level.table == &kernels::reference()) continue;
      ++(same(one, level.table->name, expected, one.run(*level.table)) ? passed : failed);
    }
  }
  std::printf("reference: %016llx\n%d passed, %d failed\n", static_cast<unsigned long long>(hash.value()),
              passed, failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace ossnb::testing

int main(int argc, char** argv) {
  if (argc == 1) return ossnb::testing::compare();
  if (argc == 2 && std::strcmp(argv[1], "--forward") == 0) return ossnb::testing::print_forward_hashes();
  if (argc == 5 && std::strcmp(argv[1], "--work") == 0) {
    if (ossnb::testing::work(argv[2], argv[3], std::atoi(argv[4]))) return 0;
  }
  std::fprintf(stderr, "usage: %s [--forward | --work LEVEL KERNEL ROUNDS]\n", argv[0]);
  return 2;
}
