// The GIL, let go while C++ works, and the interrupts that come meanwhile.
#pragma once

#include <pybind11/pybind11.h>
#include <unistd.h>

#include "base/error.h"

namespace ossnb {

// Whether the interpreter is going away. A thread that asks for the GIL then is ended from within that call,
// by an unwinding that destructors of other libraries do not let through: the process would abort.
inline bool python_is_ending() {
#if PY_VERSION_HEX >= 0x030D0000
  return Py_IsFinalizing() != 0;
#else
  return _Py_IsFinalizing() != 0;
#endif
}

// Lets go of the GIL for as long as it lives. A daemon thread that comes back when the interpreter is gone
// waits here for the end of the process. Where that begins in just this moment, the unwinding may pass. The
// thread that ends the interpreter, the only one that still runs Python then, keeps the GIL.
class GilFree {
 public:
  GilFree() : state_(python_is_ending() ? nullptr : PyEval_SaveThread()) {}
  ~GilFree() noexcept(false) {  // NOLINT(bugprone-unsafe-to-allow-exceptions): no exception of ours
    if (state_ == nullptr) return;
    while (python_is_ending()) pause();
    PyEval_RestoreThread(state_);
  }
  GilFree(const GilFree&) = delete;
  GilFree& operator=(const GilFree&) = delete;

 private:
  PyThreadState* state_;
};

// Whether work without the GIL is to stop: the handlers of signals run here where this is the main thread.
inline bool is_interrupted() {
  if (python_is_ending()) return true;
  const pybind11::gil_scoped_acquire locked;
  return PyErr_CheckSignals() != 0;
}

// Calls compute(). Cancelled becomes what a signal's handler has raised, if that was the reason.
template <class Compute>
void cancellable(Compute compute) {
  try {
    compute();
  } catch (const Cancelled&) {
    if (PyErr_Occurred()) throw pybind11::error_already_set();  // KeyboardInterrupt
    throw;
  }
}

}  // namespace ossnb
