// CUresult in words, as the driver says them.
#include "standin_world.h"

using namespace standin;

#define ERRORS(E)                                                                                            \
  E(0, CUDA_SUCCESS, "no error")                                                                             \
  E(1, CUDA_ERROR_INVALID_VALUE, "invalid argument")                                                         \
  E(2, CUDA_ERROR_OUT_OF_MEMORY, "out of memory")                                                            \
  E(3, CUDA_ERROR_NOT_INITIALIZED, "initialization error")                                                   \
  E(34, CUDA_ERROR_STUB_LIBRARY, "CUDA driver is a stub library")                                            \
  E(46, CUDA_ERROR_DEVICE_UNAVAILABLE, "CUDA-capable device(s) is/are busy or unavailable")                  \
  E(100, CUDA_ERROR_NO_DEVICE, "no CUDA-capable device is detected")                                         \
  E(101, CUDA_ERROR_INVALID_DEVICE, "invalid device ordinal")                                                \
  E(200, CUDA_ERROR_INVALID_IMAGE, "device kernel image is invalid")                                         \
  E(201, CUDA_ERROR_INVALID_CONTEXT, "invalid device context")                                               \
  E(209, CUDA_ERROR_NO_BINARY_FOR_GPU, "no kernel image is available for execution on the device")           \
  E(214, CUDA_ERROR_ECC_UNCORRECTABLE, "uncorrectable ECC error encountered")                                \
  E(222, CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "the provided PTX was compiled with an unsupported toolchain.") \
  E(400, CUDA_ERROR_INVALID_HANDLE, "invalid resource handle")                                               \
  E(500, CUDA_ERROR_NOT_FOUND, "named symbol not found")                                                     \
  E(600, CUDA_ERROR_NOT_READY, "device not ready")                                                           \
  E(700, CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered")                             \
  E(701, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "too many resources requested for launch")                      \
  E(702, CUDA_ERROR_LAUNCH_TIMEOUT, "the launch timed out and was terminated")                               \
  E(719, CUDA_ERROR_LAUNCH_FAILED, "unspecified launch failure")                                             \
  E(803, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH,                                                                  \
    "system has unsupported display driver / cuda driver combination")                                       \
  E(900, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "operation not permitted when stream is capturing")          \
  E(901, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "operation failed due to a previous error during capture")   \
  E(999, CUDA_ERROR_UNKNOWN, "unknown error")

EXPORT Result cuGetErrorName(Result error, const char** text) {
  switch (error) {
#define NAME(code, name, words) \
  case code:                    \
    *text = #name;              \
    return kSuccess;
    ERRORS(NAME)
    default:
      *text = nullptr;
      return kInvalidValue;
  }
}

EXPORT Result cuGetErrorString(Result error, const char** text) {
  switch (error) {
#define WORDS(code, name, words) \
  case code:                     \
    *text = words;               \
    return kSuccess;
    ERRORS(WORDS)
    default:
      *text = nullptr;
      return kInvalidValue;
  }
}
