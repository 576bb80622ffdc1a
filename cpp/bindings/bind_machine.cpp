#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include "base/buffer.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "bindings/bind.h"
#include "kernels/kernels.h"
#include "ops/cuda/images.h"

namespace ossnb {

namespace {

using Bytes = py::array_t<std::uint8_t, py::array::c_style>;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Four vectors of sixteen maxima, so that no load waits for another; GCC's and Clang's vector types become
// SSE2 or NEON.
std::uint8_t largest(const std::uint8_t* p, std::size_t n) {
  using Vector = std::uint8_t __attribute__((vector_size(16), may_alias, aligned(1)));
  Vector a{}, b{}, c{}, d{};
  std::size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    const auto* v = reinterpret_cast<const Vector*>(p + i);
    a = v[0] > a ? v[0] : a;
    b = v[1] > b ? v[1] : b;
    c = v[2] > c ? v[2] : c;
    d = v[3] > d ? v[3] : d;
  }
  std::uint8_t top = 0;
  for (int j = 0; j < 16; ++j) top = std::max({top, a[j], b[j], c[j], d[j]});
  for (; i < n; ++i) top = std::max(top, p[i]);
  return top;
}

int max_byte(const Bytes& data) {
  const std::uint8_t* p = data.data();
  const std::size_t n = data.size();
  const GilFree unlocked;
  return largest(p, n);
}

// The best of a few passes over a buffer that is far larger than any cache.
double measure_read_gb_s(int threads, int megabytes) {
  const GilFree unlocked;
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  Buffer<std::uint8_t> buffer(megabytes * kPiece);
  ThreadPool pool(threads);
  pool.parallel_for(megabytes, [&](int i, int) { std::memset(buffer.data() + i * kPiece, i & 7, kPiece); });
  std::atomic<int> sink{0};
  double best = 0;
  for (int pass = 0; pass < 5; ++pass) {
    const auto start = Clock::now();
    pool.parallel_for(megabytes, [&](int i, int) { sink += largest(buffer.data() + i * kPiece, kPiece); });
    best = std::max(best, megabytes * static_cast<double>(kPiece) / seconds_since(start) / 1e9);
  }
  return best;
}

double measure_int8_gop_s(int threads, const std::string& isa) {
  const GilFree unlocked;
  const kernels::Table& table = kernels::choose(isa.c_str());
  ThreadPool pool(threads);
  constexpr long kRounds = 300'000;
  double best = 0;
  for (int pass = 0; pass < 5; ++pass) {
    double operations = 0;
    const auto start = Clock::now();
    pool.parallel_for(8 * threads, [&](int i, int) {
      const double per_round = table.int8_peak(kRounds);
      if (i == 0) operations = per_round * kRounds;
    });
    best = std::max(best, operations * 8 * threads / seconds_since(start) / 1e9);
  }
  return best;
}

}  // namespace

void bind_machine(py::module_& m) {
  m.def("isa_levels", [] {
    std::vector<std::string> names;
    for (const kernels::Level& level : kernels::levels()) {
      if (level.supported) names.emplace_back(level.table->name);
    }
    return names;
  });
  m.def("cpu_features", [] {
    std::map<std::string, bool> features;
    for (const kernels::Feature& f : kernels::cpu_features()) features[f.name] = f.present;
    return features;
  });
  m.def("cuda_images", [] {
    std::vector<std::tuple<std::string, int, std::size_t, bool>> found;
    for (const cuda::Image& i : cuda::images()) found.emplace_back(i.file, i.arch, i.bytes.size(), i.is_ptx);
    return found;
  });
  m.def("max_byte", &max_byte, py::arg("data"));
  m.def("measure_read_gb_s", &measure_read_gb_s, py::arg("threads"), py::arg("megabytes") = 256);
  m.def("measure_int8_gop_s", &measure_int8_gop_s, py::arg("threads"), py::arg("isa") = "");
}

}  // namespace ossnb
