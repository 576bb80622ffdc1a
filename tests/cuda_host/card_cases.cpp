#include <numeric>

#include "cases.h"
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

}  // namespace

void add_card_cases(Cases& cases) {
  cases.push_back({"card: copies", copies});
  cases.push_back({"card: one thread a number", axpy});
  cases.push_back({"card: shared memory and shuffles", sum});
}

}  // namespace ossnb::cuda::testing
