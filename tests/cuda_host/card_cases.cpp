#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "cases.h"
#include "choice/noise.h"
#include "smoke.h"

namespace ossnb::cuda::testing {
namespace {

void copies() {
  const auto card = Card::open(0);
  std::vector<int> numbers(1000);
  std::iota(numbers.begin(), numbers.end(), 7);
  DeviceArray<int> a(card, std::span<const int>(numbers)), b(card, 1000);
  b.fill_bytes(0);
  b.copy(a, 10, 3, 100);
  std::vector<int> wanted(1000);
  for (int i = 0; i < 10; ++i) wanted[3 + i] = numbers[100 + i];
  require_equal(read(*card, b), wanted, "b");

  PinnedArray<int> host(card, 1000);
  for (int& v : host) v = 5;
  a.upload(std::span<const int>(host.data(), 10), 990);
  a.download(std::span<int>(host.data(), 1000));
  card->wait();
  OSSNB_REQUIRE(host[0] == 7 && host[989] == 996 && host[990] == 5 && host[999] == 5);
  message_of<std::out_of_range>([&] { a.upload(std::span<const int>(host.data(), 11), 990); });

  DeviceArray<int> moved(std::move(a));
  OSSNB_REQUIRE(a.size() == 1000 || a.n_bytes() == 0);
  OSSNB_REQUIRE(read(*card, moved)[999] == 5);
}

void axpy() {
  const auto card = Card::open(0);
  const Kernel<AxpyArgs> kernel(card, "smoke_axpy");
  for (const int n : {1, 255, 256, 1000, 5000}) {
    std::vector<float> x(n), y(n), wanted(n);
    for (int i = 0; i < n; ++i) {
      x[i] = static_cast<float>(i);
      y[i] = static_cast<float>(i % 7);
      wanted[i] = 3 * x[i] + y[i];
    }
    DeviceArray<float> on_x(card, std::span<const float>(x)), on_y(card, std::span<const float>(y));
    kernel.launch((n + 255) / 256, 256, 0, {on_x.data(), on_y.data(), 3, n});
    require_equal(read(*card, on_y), wanted, "y");
  }
}

void sum() {
  const auto card = Card::open(0);
  const Kernel<SumArgs> kernel(card, "smoke_sum");
  std::vector<int> x(256 * 9), wanted(9);
  for (int i = 0; i < 256 * 9; ++i) {
    x[i] = i * i % 1001;
    wanted[i / 256] += x[i];
  }
  DeviceArray<int> on_x(card, std::span<const int>(x)), out(card, 9);
  kernel.launch(9, 256, 32, {on_x.data(), out.data(), 9, 8, kNone});
  require_equal(read(*card, out), wanted, "out");
  kernel.launch(9, 256, 60 << 10,
                {on_x.data(), out.data(), 9, 15 << 10, kNone});  // more than is allowed unasked
  require_equal(read(*card, out), wanted, "out");
}

void blocks_that_wait() {
  const auto card = Card::open(0);
  const Kernel<MeetArgs> kernel(card, "smoke_meet");
  DeviceArray<unsigned> counts(card, 2), out(card, 6);
  counts.fill_bytes(0);
  kernel.launch(6, 32, 0, {counts.data(), counts.data() + 1, out.data(), 6}, Start::together);
  require_equal(read(*card, out), std::vector<unsigned>(6, 21), "out");
}

void the_last_block() {
  const auto card = Card::open(0);
  const Kernel<LastArgs> kernel(card, "smoke_last");
  DeviceArray<unsigned> arrived(card, 1);
  DeviceArray<int> parts(card, 100), out(card, 1);
  arrived.fill_bytes(0);
  kernel.launch(100, 32, 0, {parts.data(), arrived.data(), out.data()});
  require_equal(read(*card, out), {5050}, "out");
}

// Where the code and the driver know of turns, each launch asks for one, in a graph, too; nowhere else, since
// such a kernel would begin before the one before it has ended.
void turns() {
  const auto card = Card::open(0);
  const bool has_turns = card->info().major >= 9 && card->driver().version >= 12030;
  const Kernel<AxpyArgs> kernel(card, "smoke_axpy");
  DeviceArray<float> x(card, 256);
  const auto before = stand_in()->count("in turn");
  const auto launch = [&] { kernel.launch(1, 256, 0, {x.data(), x.data(), 1, 256}); };
  launch();
  Graph::capture(card, [&] { launch(), launch(); });
  card->wait();
  OSSNB_REQUIRE(stand_in()->count("in turn") - before == (has_turns ? 3 : 0));
}

// Registers of any content; every fourth is one of those that rounding treats apart.
std::vector<unsigned> registers(int n, unsigned state) {
  constexpr unsigned kApart[] = {0x00000000, 0x80000000, 0x00000001, 0x807fffff, 0x00800000,
                                 0x80800001, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000,
                                 0x7fc00000, 0x3f800000, 0xbf800001, 0x3f000000, 0x4b000001,
                                 0x4effffff, 0x4f000000, 0xcf000000, 0x33000000, 0x7fefffff};
  std::vector<unsigned> found(n);
  for (int i = 0; i < n; ++i) {
    state = state * 1664525 + 1013904223;
    const unsigned high = state >> 16;
    state = state * 1664525 + 1013904223;
    found[i] = high % 4 == 0 ? kApart[(state >> 16) % std::size(kApart)] : high << 16 | state >> 16;
  }
  return found;
}

void seam() {
  const auto card = Card::open(0);
  constexpr int kBlocks = 64, n = 32 * kBlocks;
  const std::vector<unsigned> in = registers(3 * n, 1);
  std::vector<unsigned> wanted(2 * n);
  for (int i = 0; i < n; ++i) {
    const unsigned a = in[3 * i], b = in[3 * i + 1], c = in[3 * i + 2];
    unsigned sum = c;
    for (int byte = 0; byte < 4; ++byte) {
      const unsigned selector = c >> (4 * byte), from = (selector & 4 ? b : a) >> (8 * (selector & 3)) & 255;
      wanted[i] |= (selector & 8 ? (from >> 7) * 255 : from) << (8 * byte);
      sum += static_cast<unsigned>(static_cast<std::int8_t>(a >> (8 * byte)) *
                                   static_cast<std::int8_t>(b >> (8 * byte)));
    }
    wanted[n + i] = sum;
  }
  DeviceArray<unsigned> on_in(card, std::span<const unsigned>(in)), out(card, 2 * n);
  Kernel<SeamArgs>(card, "smoke_seam").launch(kBlocks, 32, 0, {on_in.data(), out.data()});
  require_equal(read(*card, out), wanted, "out");
}

void matrix_product() {
  const auto card = Card::open(0);
  constexpr int kTiles = 64;
  std::vector<unsigned char> a(kTiles * 16 * 32);
  std::vector<signed char> b(kTiles * 8 * 32);
  unsigned state = 7;
  for (auto& v : a) v = static_cast<unsigned char>((state = state * 1664525 + 1013904223) >> 24);
  for (auto& v : b) v = static_cast<signed char>((state = state * 1664525 + 1013904223) >> 24);
  std::fill_n(a.begin(), 16 * 32, 255);  // the largest sums
  std::fill_n(b.begin(), 8 * 32, -128);
  std::vector<int> wanted(kTiles * 16 * 8);
  for (int row = 0; row < kTiles * 16; ++row) {
    for (int j = 0; j < 8; ++j) {
      const int column = row / 16 * 8 + j;
      for (int k = 0; k < 32; ++k) wanted[8 * row + j] += a[32 * row + k] * b[32 * column + k];
    }
  }
  DeviceArray<unsigned char> on_a(card, std::span<const unsigned char>(a));
  DeviceArray<signed char> on_b(card, std::span<const signed char>(b));
  DeviceArray<int> d(card, wanted.size());
  Kernel<MmaArgs>(card, "smoke_mma").launch(kTiles, 32, 0, {on_a.data(), on_b.data(), d.data()});
  require_equal(read(*card, d), wanted, "d");
}

int nearest(float x) {
  if (std::isnan(x)) return 0;
  const float whole = std::nearbyint(x);
  if (whole >= 0x1p31f) return std::numeric_limits<int>::max();
  return whole < -0x1p31f ? std::numeric_limits<int>::min() : static_cast<int>(whole);
}

Numbers numbers_of(const unsigned* in) {
  float x, y, z;
  double v, w;
  std::memcpy(&x, in, sizeof x);
  std::memcpy(&y, in + 1, sizeof y);
  std::memcpy(&z, in + 2, sizeof z);
  std::memcpy(&v, in, sizeof v);
  std::memcpy(&w, in + 2, sizeof w);
  return {.wide_sum = v + w,
          .wide_product = v * w,
          .wide_quotient = v / w,
          .noise = noise_of(in[0]),
          .fma = std::fma(x, y, z),
          .sum = x + y,
          .difference = x - y,
          .product = x * y,
          .quotient = x / y,
          .root = std::sqrt(x),
          .whole = std::nearbyint(x),
          .of_integer = static_cast<float>(static_cast<int>(in[0])),
          .nearest = nearest(x),
          .unused = 0};
}

// The same bits, or two NaNs.
template <class Number>
bool is_same(Number a, Number b) {
  return std::isnan(a) ? std::isnan(b) : std::memcmp(&a, &b, sizeof a) == 0;
}

void numbers() {
  const auto card = Card::open(0);
  constexpr int n = 1 << 14;
  const std::vector<unsigned> in = registers(4 * n, 3);
  DeviceArray<unsigned> on_in(card, std::span<const unsigned>(in));
  DeviceArray<Numbers> out(card, n);
  out.fill_bytes(0);
  Kernel<NumbersArgs>(card, "smoke_numbers").launch(n / 128, 128, 0, {on_in.data(), out.data(), n});
  const std::vector<Numbers> found = read(*card, out);
  for (int i = 0; i < n; ++i) {
    const Numbers wanted = numbers_of(&in[4 * i]), &got = found[i];
    OSSNB_REQUIRE(is_same(got.fma, wanted.fma));
    OSSNB_REQUIRE(is_same(got.sum, wanted.sum) && is_same(got.difference, wanted.difference));
    OSSNB_REQUIRE(is_same(got.product, wanted.product) && is_same(got.quotient, wanted.quotient));
    OSSNB_REQUIRE(is_same(got.root, wanted.root) && is_same(got.whole, wanted.whole));
    OSSNB_REQUIRE(got.nearest == wanted.nearest && is_same(got.of_integer, wanted.of_integer));
    OSSNB_REQUIRE(is_same(got.wide_sum, wanted.wide_sum) && is_same(got.wide_product, wanted.wide_product));
    OSSNB_REQUIRE(is_same(got.wide_quotient, wanted.wide_quotient) && is_same(got.noise, wanted.noise));
  }
}

// What a launch refuses; the card stays usable.
void wrong_launches() {
  const auto card = Card::open(0);
  const std::string missing = message_of<DeviceFailure>([&] { Kernel<AxpyArgs>(card, "smoke_none"); });
  OSSNB_REQUIRE(has(missing, "there is no kernel smoke_none"));
  if (card->driver().cuFuncGetParamInfo != nullptr) {
    const std::string size = message_of<DeviceFailure>([&] { Kernel<MmaArgs>(card, "smoke_share"); });
    OSSNB_REQUIRE(has(size, "takes 16 bytes") && has(size, "has 24"));
  }
  const Kernel<AxpyArgs> kernel(card, "smoke_axpy");
  OSSNB_REQUIRE(kernel.max_threads() == 256 && kernel.registers() > 0 && kernel.local_bytes() == 0);
  DeviceArray<float> x(card, 1024);
  const AxpyArgs args = {x.data(), x.data(), 1, 0};
  const std::string threads = message_of<DeviceFailure>([&] { kernel.launch(1, 512, 0, args); });
  OSSNB_REQUIRE(has(threads, "smoke_axpy"));
  message_of<DeviceFailure>([&] { kernel.launch(1, 2048, 0, args); });
  message_of<DeviceFailure>([&] { kernel.launch({1, 70000}, 32, 0, args); });
  const std::string shared = message_of<DeviceFailure>([&] { kernel.launch(1, 32, 300 << 10, args); });
  OSSNB_REQUIRE(has(shared, "smoke_axpy wants 307200 bytes of shared memory"));
  kernel.launch(0, 32, 0, args);  // nothing
  OSSNB_REQUIRE(card->is_usable());
  card->wait();
}

void nothing_at_all() {
  const auto card = Card::open(0);
  DeviceArray<int> none, empty(card, 0);
  OSSNB_REQUIRE(none.size() == 0 && empty.size() == 0 && empty.data() == nullptr);
  empty.upload({});
  empty.download({});
  empty.fill_bytes(0);
  const PinnedArray<int> pinned(card, 0);
  OSSNB_REQUIRE(pinned.size() == 0);
  card->wait();
}

}  // namespace

void add_card_cases(Cases& cases) {
  cases.push_back({"card: copies", copies});
  cases.push_back({"card: one thread a number", axpy});
  cases.push_back({"card: shared memory and shuffles", sum});
  cases.push_back({"card: blocks that wait for each other", blocks_that_wait});
  cases.push_back({"card: the block that comes last", the_last_block});
  if (stand_in() != nullptr) cases.push_back({"card: turns", turns});
  cases.push_back({"card: the seam's instructions", seam});
  cases.push_back({"card: matrix product", matrix_product});
  cases.push_back({"card: numbers of any bits", numbers});
  cases.push_back({"card: wrong launches", wrong_launches});
  cases.push_back({"card: nothing at all", nothing_at_all});
}

}  // namespace ossnb::cuda::testing
