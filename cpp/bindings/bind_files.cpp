// Mapped files and their bytes.
#include "base/checksum.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "base/pages.h"
#include "bindings/bind.h"

namespace ossnb {

namespace {

using Bytes = py::array_t<std::uint8_t, py::array::c_style>;

std::uint64_t checksum_of(const Bytes& data, int threads) {
  const std::uint8_t* p = data.data();
  const std::size_t n = data.size();
  std::uint64_t sum = 0;
  cancellable([&] {
    const GilFree unlocked;
    ThreadPool pool(threads);
    pool.set_poll(is_interrupted);
    sum = checksum(p, n, pool);
  });
  return sum;
}

double resident_share_of(const py::array& data, int samples) {
  if (!(data.flags() & py::array::c_style)) throw ValueError("expected a C-contiguous array");
  return resident_share(data.data(), data.nbytes(), samples);
}

}  // namespace

void bind_files(py::module_& m) {
  py::class_<WatchedRange>(m, "WatchedRange")
      .def(py::init([](const Bytes& data) {
             return std::make_unique<WatchedRange>(data.data(), static_cast<std::size_t>(data.size()));
           }),
           py::arg("data").noconvert())
      .def("is_lost", &WatchedRange::is_lost);
  m.def("resident_share", &resident_share_of, py::arg("data"), py::arg("samples") = 4096);
  m.def(
      "prefetch_if_absent",
      [](const py::array& data) { return prefetch_if_absent(data.data(), data.nbytes()); }, py::arg("data"));
  m.def("checksum", &checksum_of, py::arg("data").noconvert(), py::arg("threads"));
}

}  // namespace ossnb
