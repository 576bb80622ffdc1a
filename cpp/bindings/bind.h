// The one door to pybind11.
#pragma once

#include <pybind11/functional.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "bindings/gil.h"

namespace ossnb {

namespace py = pybind11;

// All of ossnb._core.
void bind_core(py::module_& m);

void bind_cards(py::module_& m);
void bind_files(py::module_& m);
void bind_kernels(py::module_& m);
void bind_kv(py::module_& m);
void bind_machine(py::module_& m);
void bind_model(py::module_& m);
void bind_packing(py::module_& m);
void bind_sampler(py::module_& m);
void bind_step(py::module_& m);
void bind_words(py::module_& m);

using Tokens = py::array_t<std::int32_t, py::array::c_style | py::array::forcecast>;

// (ids, their log-probabilities)
std::pair<py::array_t<std::int32_t>, py::array_t<float>> arrays_of(
    const std::vector<std::pair<std::int32_t, float>>& top);

}  // namespace ossnb
