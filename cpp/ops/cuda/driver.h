// The functions of the CUDA driver that we call, found while the program runs: no header, library or runtime
// of CUDA is needed to build or to import this program. Names, types and numbers are those of cuda.h, which
// tests/cuda_host/check_driver.cpp compares where there is one.
#pragma once

#include <cstddef>
#include <string>

namespace ossnb::cuda {

using Result = int;  // CUresult
using DeviceId = int;
using DevicePtr = unsigned long long;
using ContextHandle = struct ContextOfDriver*;
using StreamHandle = struct StreamOfDriver*;
using EventHandle = struct EventOfDriver*;
using ModuleHandle = struct ModuleOfDriver*;
using FunctionHandle = struct FunctionOfDriver*;
using GraphHandle = struct GraphOfDriver*;
using GraphExecHandle = struct GraphExecOfDriver*;

// CUresult: the ones that we tell apart.
enum : Result {
  kSuccess = 0,
  kInvalidValue = 1,
  kOutOfMemory = 2,
  kNotInitialized = 3,
  kDeinitialized = 4,
  kStubLibrary = 34,
  kDeviceUnavailable = 46,
  kNoDevice = 100,
  kInvalidDevice = 101,
  kInvalidImage = 200,
  kInvalidContext = 201,
  kNoBinaryForGpu = 209,
  kEccUncorrectable = 214,
  kNvlinkUncorrectable = 220,
  kUnsupportedPtxVersion = 222,
  kContained = 226,
  kInvalidHandle = 400,
  kNotFound = 500,
  kNotReady = 600,
  kIllegalAddress = 700,
  kLaunchOutOfResources = 701,
  kLaunchTimeout = 702,
  kContextIsDestroyed = 709,
  kAssert = 710,
  kHostMemoryAlreadyRegistered = 712,
  kHardwareStackError = 714,
  kIllegalInstruction = 715,
  kMisalignedAddress = 716,
  kInvalidAddressSpace = 717,
  kInvalidPc = 718,
  kLaunchFailed = 719,
  kSystemDriverMismatch = 803,
  kCaptureUnsupported = 900,
  kCaptureInvalidated = 901,
  kCaptureUnmatched = 903,
  kUnknown = 999,
};

// CUdevice_attribute.
enum : int {
  kMaxThreadsPerBlock = 1,
  kMultiprocessorCount = 16,
  kIntegrated = 18,
  kComputeMode = 20,
  kL2CacheSize = 38,
  kCapabilityMajor = 75,
  kCapabilityMinor = 76,
  kMaxSharedPerBlockOptin = 97,
};
enum : int { kComputeModeProhibited = 2 };

// CUfunction_attribute.
enum : int {
  kFunctionMaxThreads = 0,
  kFunctionLocalBytes = 3,
  kFunctionRegisters = 4,
  kFunctionPtxVersion = 5,
  kFunctionMaxDynamicShared = 8,
};

enum : unsigned { kStreamNonBlocking = 1, kEventDefault = 0, kEventDisableTiming = 2 };
enum : int { kCaptureThreadLocal = 1 };

// CUlaunchAttribute and CUlaunchConfig.
enum : int { kAttributeCooperative = 2, kAttributeProgrammaticSerialization = 6 };
struct LaunchAttribute {
  int id;
  int padding;
  union {
    char bytes[64];
    int number;
  } value;
};
struct LaunchConfig {
  unsigned grid[3], block[3];
  unsigned shared_bytes;
  StreamHandle stream;
  LaunchAttribute* attributes;
  unsigned n_attributes;
};

// F(name, the symbol in the library, types of the arguments...). All return a Result.
#define OSSNB_CUDA_FUNCTIONS(F)                                                                         \
  F(cuInit, cuInit, unsigned)                                                                           \
  F(cuDriverGetVersion, cuDriverGetVersion, int*)                                                       \
  F(cuGetErrorName, cuGetErrorName, Result, const char**)                                               \
  F(cuGetErrorString, cuGetErrorString, Result, const char**)                                           \
  F(cuDeviceGetCount, cuDeviceGetCount, int*)                                                           \
  F(cuDeviceGet, cuDeviceGet, DeviceId*, int)                                                           \
  F(cuDeviceGetName, cuDeviceGetName, char*, int, DeviceId)                                             \
  F(cuDeviceGetAttribute, cuDeviceGetAttribute, int*, int, DeviceId)                                    \
  F(cuDeviceTotalMem, cuDeviceTotalMem_v2, std::size_t*, DeviceId)                                      \
  F(cuDevicePrimaryCtxRetain, cuDevicePrimaryCtxRetain, ContextHandle*, DeviceId)                       \
  F(cuDevicePrimaryCtxRelease, cuDevicePrimaryCtxRelease_v2, DeviceId)                                  \
  F(cuCtxPushCurrent, cuCtxPushCurrent_v2, ContextHandle)                                               \
  F(cuCtxPopCurrent, cuCtxPopCurrent_v2, ContextHandle*)                                                \
  F(cuMemGetInfo, cuMemGetInfo_v2, std::size_t*, std::size_t*)                                          \
  F(cuMemAlloc, cuMemAlloc_v2, DevicePtr*, std::size_t)                                                 \
  F(cuMemFree, cuMemFree_v2, DevicePtr)                                                                 \
  F(cuMemAllocHost, cuMemAllocHost_v2, void**, std::size_t)                                             \
  F(cuMemFreeHost, cuMemFreeHost, void*)                                                                \
  F(cuMemHostRegister, cuMemHostRegister_v2, void*, std::size_t, unsigned)                              \
  F(cuMemHostUnregister, cuMemHostUnregister, void*)                                                    \
  F(cuMemcpyHtoDAsync, cuMemcpyHtoDAsync_v2, DevicePtr, const void*, std::size_t, StreamHandle)         \
  F(cuMemcpyDtoHAsync, cuMemcpyDtoHAsync_v2, void*, DevicePtr, std::size_t, StreamHandle)               \
  F(cuMemcpyDtoDAsync, cuMemcpyDtoDAsync_v2, DevicePtr, DevicePtr, std::size_t, StreamHandle)           \
  F(cuMemsetD8Async, cuMemsetD8Async, DevicePtr, unsigned char, std::size_t, StreamHandle)              \
  F(cuStreamCreate, cuStreamCreate, StreamHandle*, unsigned)                                            \
  F(cuStreamDestroy, cuStreamDestroy_v2, StreamHandle)                                                  \
  F(cuStreamSynchronize, cuStreamSynchronize, StreamHandle)                                             \
  F(cuStreamBeginCapture, cuStreamBeginCapture_v2, StreamHandle, int)                                   \
  F(cuStreamEndCapture, cuStreamEndCapture, StreamHandle, GraphHandle*)                                 \
  F(cuGraphInstantiate, cuGraphInstantiateWithFlags, GraphExecHandle*, GraphHandle, unsigned long long) \
  F(cuGraphLaunch, cuGraphLaunch, GraphExecHandle, StreamHandle)                                        \
  F(cuGraphExecDestroy, cuGraphExecDestroy, GraphExecHandle)                                            \
  F(cuGraphDestroy, cuGraphDestroy, GraphHandle)                                                        \
  F(cuEventCreate, cuEventCreate, EventHandle*, unsigned)                                               \
  F(cuEventDestroy, cuEventDestroy_v2, EventHandle)                                                     \
  F(cuEventRecord, cuEventRecord, EventHandle, StreamHandle)                                            \
  F(cuEventQuery, cuEventQuery, EventHandle)                                                            \
  F(cuEventElapsedTime, cuEventElapsedTime, float*, EventHandle, EventHandle)                           \
  F(cuModuleLoadData, cuModuleLoadData, ModuleHandle*, const void*)                                     \
  F(cuModuleUnload, cuModuleUnload, ModuleHandle)                                                       \
  F(cuModuleGetFunction, cuModuleGetFunction, FunctionHandle*, ModuleHandle, const char*)               \
  F(cuFuncSetAttribute, cuFuncSetAttribute, FunctionHandle, int, int)                                   \
  F(cuFuncGetAttribute, cuFuncGetAttribute, int*, int, FunctionHandle)                                  \
  F(cuLaunchKernelEx, cuLaunchKernelEx, const LaunchConfig*, FunctionHandle, void**, void**)

// Functions that newer drivers have; null where they are missing.
#define OSSNB_CUDA_NEWER_FUNCTIONS(F) \
  F(cuFuncGetParamInfo, cuFuncGetParamInfo, FunctionHandle, std::size_t, std::size_t*, std::size_t*)

struct Driver {
#define OSSNB_MEMBER(name, symbol, ...) Result (*name)(__VA_ARGS__) = nullptr;
  OSSNB_CUDA_FUNCTIONS(OSSNB_MEMBER)
  OSSNB_CUDA_NEWER_FUNCTIONS(OSSNB_MEMBER)
#undef OSSNB_MEMBER
  int version = 0;  // of CUDA, as the driver counts: 12040 is 12.4
};

// The driver, found and initialised at the first call: libcuda.so.1, or the library that the environment
// variable OSSNB_CUDA_DRIVER names. DeviceUnavailable says why there is none; the reason stays for the
// process.
const Driver& driver();

// 12040 -> "12.4"
std::string version_text(int version);

// The driver's own words: "CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected".
std::string words_of(const Driver& driver, Result result);

// How often this process was forked since its first ancestor's: nothing of CUDA survives a fork.
int fork_count();

}  // namespace ossnb::cuda
