// The one door to pybind11.
#pragma once

#include <pybind11/functional.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

namespace ossnb {

namespace py = pybind11;

void bind_derive(py::module_& m);
void bind_kernels(py::module_& m);
void bind_machine(py::module_& m);
void bind_model(py::module_& m);
void bind_sampler(py::module_& m);

using Tokens = py::array_t<std::int32_t, py::array::c_style | py::array::forcecast>;

}  // namespace ossnb
