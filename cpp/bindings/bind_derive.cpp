// Making derived data, for python/ossnb/derived.py, which keeps it.
#include <cstring>

#include "base/error.h"
#include "base/pages.h"
#include "bindings/bind.h"
#include "ops/derive.h"

namespace ossnb {

namespace {

using Bf16 = py::array_t<std::uint16_t, py::array::c_style>;
using Bytes = py::array_t<std::uint8_t, py::array::c_style>;

void require_groups(const Bf16& w) {
  if (w.ndim() != 2 || w.shape(1) % kGroup != 0)
    throw ValueError("w must be bfloat16 [R, K] as uint16, K a multiple of 32");
}

// Room for the tiles of w, of `rows` rows each.
Bytes tiles_of(const Bf16& w, int rows, std::size_t tile_bytes) {
  return Bytes({(w.shape(0) + rows - 1) / rows, static_cast<py::ssize_t>(tile_bytes)});
}

Bytes pack_q8_rows(const Bf16& w, int threads) {
  require_groups(w);
  const int n_rows = static_cast<int>(w.shape(0)), k = static_cast<int>(w.shape(1));
  Bytes tiles = tiles_of(w, kQ8Rows, q8_tile_bytes(k));
  const bf16* data = w.data();
  std::uint8_t* to = tiles.mutable_data();
  {
    py::gil_scoped_release unlocked;
    ThreadPool pool(threads);
    pack_q8(kernels::choose(""), data, n_rows, k, to, pool);
  }
  return tiles;
}

py::tuple pack_q6_rows(const Bf16& w, int threads) {
  require_groups(w);
  const int n_rows = static_cast<int>(w.shape(0)), k = static_cast<int>(w.shape(1));
  Bytes tiles = tiles_of(w, kQ8Rows, q6_tile_bytes(k));
  py::array_t<float> norms({static_cast<py::ssize_t>(n_rows), py::ssize_t{2}});
  const bf16* data = w.data();
  std::uint8_t* to = tiles.mutable_data();
  float* bounds = norms.mutable_data();
  {
    py::gil_scoped_release unlocked;
    ThreadPool pool(threads);
    pack_q6(kernels::choose(""), data, n_rows, k, to, bounds, pool);
  }
  return py::make_tuple(tiles, norms);
}

// (tiles, high, rare); no tiles and nothing rare where packing does not pay
py::tuple pack_bf12_rows(const Bf16& w, int threads) {
  require_groups(w);
  const int n_rows = static_cast<int>(w.shape(0)), k = static_cast<int>(w.shape(1));
  Bytes tiles = tiles_of(w, kBf12Rows, bf12_tile_bytes(k)), high(16);
  const bf16* data = w.data();
  std::uint8_t *to = tiles.mutable_data(), *table = high.mutable_data();
  std::optional<std::vector<Bf12::Rare>> found;
  {
    py::gil_scoped_release unlocked;
    ThreadPool pool(threads);
    found = pack_bf12(data, n_rows, k, to, table, pool);
  }
  if (!found) tiles = Bytes(std::vector<py::ssize_t>{0, tiles.shape(1)});
  py::array_t<std::uint32_t> rare({static_cast<py::ssize_t>(found ? found->size() : 0), py::ssize_t{2}});
  if (rare.size() > 0) std::memcpy(rare.mutable_data(), found->data(), rare.nbytes());
  return py::make_tuple(tiles, high, rare);
}

std::uint64_t checksum_of(const Bytes& data, int threads) {
  const std::uint8_t* p = data.data();
  const std::size_t n = data.size();
  py::gil_scoped_release unlocked;
  ThreadPool pool(threads);
  return checksum(p, n, pool);
}

double resident_share_of(const py::array& data, int samples) {
  if (!(data.flags() & py::array::c_style)) throw ValueError("expected a C-contiguous array");
  return resident_share(data.data(), data.nbytes(), samples);
}

}  // namespace

void bind_derive(py::module_& m) {
  m.def("pack_q8", &pack_q8_rows, py::arg("w"), py::arg("threads"));
  m.def("pack_q6", &pack_q6_rows, py::arg("w"), py::arg("threads"));
  m.def("pack_bf12", &pack_bf12_rows, py::arg("w"), py::arg("threads"));
  m.def("resident_share", &resident_share_of, py::arg("data"), py::arg("samples") = 4096);
  m.def(
      "prefetch_if_absent",
      [](const py::array& data) { return prefetch_if_absent(data.data(), data.nbytes()); }, py::arg("data"));
  m.def("checksum", &checksum_of, py::arg("data").noconvert(), py::arg("threads"));
}

}  // namespace ossnb
