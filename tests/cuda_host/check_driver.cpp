// ops/cuda/driver.h beside a toolkit's cuda.h: compiled, never run. Types are compared by size and kind,
// since ours are names of our own.
#include <cuda.h>

#include <cstddef>
#include <type_traits>

#include "ops/cuda/driver.h"

namespace ossnb::cuda {
namespace {

template <class A, class B>
constexpr bool alike() {
  if constexpr (std::is_pointer_v<A> && std::is_pointer_v<B>) {
    using PointeeA = std::remove_pointer_t<A>;
    using PointeeB = std::remove_pointer_t<B>;
    // A pointer to const may stand for one to what is not, and not the other way round.
    if (std::is_const_v<PointeeA> != std::is_const_v<PointeeB>) return false;
    if constexpr (std::is_pointer_v<PointeeA> || std::is_pointer_v<PointeeB>) {
      return std::is_pointer_v<PointeeA> && std::is_pointer_v<PointeeB>;
    } else if constexpr (std::is_arithmetic_v<PointeeA> && std::is_arithmetic_v<PointeeB>) {
      return std::is_same_v<std::remove_cv_t<PointeeA>, std::remove_cv_t<PointeeB>>;
    } else {
      return true;
    }
  } else if constexpr (std::is_pointer_v<A> || std::is_pointer_v<B>) {
    return false;
  } else {
    return sizeof(A) == sizeof(B) && (std::is_enum_v<B> || std::is_same_v<A, B>);
  }
}

template <class Ours, class Theirs>
struct Alike : std::false_type {};
template <class R, class S, class... A, class... B>
  requires(sizeof...(A) == sizeof...(B))
struct Alike<R (*)(A...), S (*)(B...)>
    : std::bool_constant<sizeof(R) == sizeof(S) && (alike<A, B>() && ...)> {};

// cuda.h names the newest version of a function by a macro; the symbol that we ask for has to be that one, or
// an older one of the same arguments.
#define CHECK(name, symbol, ...) \
  static_assert(Alike<Result (*)(__VA_ARGS__), decltype(&::name)>::value, #name " has other arguments");
OSSNB_CUDA_FUNCTIONS(CHECK)
OSSNB_CUDA_NEWER_FUNCTIONS(CHECK)

static_assert(sizeof(LaunchConfig) == sizeof(CUlaunchConfig));
static_assert(offsetof(LaunchConfig, block) == offsetof(CUlaunchConfig, blockDimX));
static_assert(offsetof(LaunchConfig, shared_bytes) == offsetof(CUlaunchConfig, sharedMemBytes));
static_assert(offsetof(LaunchConfig, stream) == offsetof(CUlaunchConfig, hStream));
static_assert(offsetof(LaunchConfig, attributes) == offsetof(CUlaunchConfig, attrs));
static_assert(offsetof(LaunchConfig, n_attributes) == offsetof(CUlaunchConfig, numAttrs));
static_assert(sizeof(LaunchAttribute) == sizeof(CUlaunchAttribute));
static_assert(alignof(LaunchAttribute) <= alignof(CUlaunchAttribute));
static_assert(offsetof(LaunchAttribute, value) == offsetof(CUlaunchAttribute, value));

#define SAME(ours, theirs) static_assert(static_cast<long>(ours) == static_cast<long>(theirs));
SAME(kSuccess, CUDA_SUCCESS)
SAME(kInvalidValue, CUDA_ERROR_INVALID_VALUE)
SAME(kOutOfMemory, CUDA_ERROR_OUT_OF_MEMORY)
SAME(kNotInitialized, CUDA_ERROR_NOT_INITIALIZED)
SAME(kDeinitialized, CUDA_ERROR_DEINITIALIZED)
SAME(kStubLibrary, CUDA_ERROR_STUB_LIBRARY)
SAME(kDeviceUnavailable, CUDA_ERROR_DEVICE_UNAVAILABLE)
SAME(kNoDevice, CUDA_ERROR_NO_DEVICE)
SAME(kInvalidDevice, CUDA_ERROR_INVALID_DEVICE)
SAME(kInvalidImage, CUDA_ERROR_INVALID_IMAGE)
SAME(kInvalidContext, CUDA_ERROR_INVALID_CONTEXT)
SAME(kNoBinaryForGpu, CUDA_ERROR_NO_BINARY_FOR_GPU)
SAME(kEccUncorrectable, CUDA_ERROR_ECC_UNCORRECTABLE)
SAME(kNvlinkUncorrectable, CUDA_ERROR_NVLINK_UNCORRECTABLE)
SAME(kUnsupportedPtxVersion, CUDA_ERROR_UNSUPPORTED_PTX_VERSION)
SAME(kContained, CUDA_ERROR_CONTAINED)
SAME(kInvalidHandle, CUDA_ERROR_INVALID_HANDLE)
SAME(kNotFound, CUDA_ERROR_NOT_FOUND)
SAME(kNotReady, CUDA_ERROR_NOT_READY)
SAME(kIllegalAddress, CUDA_ERROR_ILLEGAL_ADDRESS)
SAME(kLaunchOutOfResources, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES)
SAME(kLaunchTimeout, CUDA_ERROR_LAUNCH_TIMEOUT)
SAME(kContextIsDestroyed, CUDA_ERROR_CONTEXT_IS_DESTROYED)
SAME(kAssert, CUDA_ERROR_ASSERT)
SAME(kHostMemoryAlreadyRegistered, CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED)
SAME(kHardwareStackError, CUDA_ERROR_HARDWARE_STACK_ERROR)
SAME(kIllegalInstruction, CUDA_ERROR_ILLEGAL_INSTRUCTION)
SAME(kMisalignedAddress, CUDA_ERROR_MISALIGNED_ADDRESS)
SAME(kInvalidAddressSpace, CUDA_ERROR_INVALID_ADDRESS_SPACE)
SAME(kInvalidPc, CUDA_ERROR_INVALID_PC)
SAME(kLaunchFailed, CUDA_ERROR_LAUNCH_FAILED)
SAME(kSystemDriverMismatch, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH)
SAME(kCaptureUnsupported, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED)
SAME(kCaptureInvalidated, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED)
SAME(kCaptureUnmatched, CUDA_ERROR_STREAM_CAPTURE_UNMATCHED)
SAME(kUnknown, CUDA_ERROR_UNKNOWN)
SAME(kMaxThreadsPerBlock, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK)
SAME(kMultiprocessorCount, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)
SAME(kIntegrated, CU_DEVICE_ATTRIBUTE_INTEGRATED)
SAME(kComputeMode, CU_DEVICE_ATTRIBUTE_COMPUTE_MODE)
SAME(kL2CacheSize, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE)
SAME(kCapabilityMajor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)
SAME(kCapabilityMinor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)
SAME(kMaxSharedPerBlockOptin, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)
SAME(kComputeModeProhibited, CU_COMPUTEMODE_PROHIBITED)
SAME(kFunctionMaxThreads, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK)
SAME(kFunctionLocalBytes, CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES)
SAME(kFunctionRegisters, CU_FUNC_ATTRIBUTE_NUM_REGS)
SAME(kFunctionPtxVersion, CU_FUNC_ATTRIBUTE_PTX_VERSION)
SAME(kFunctionMaxDynamicShared, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES)
SAME(kStreamNonBlocking, CU_STREAM_NON_BLOCKING)
SAME(kEventDefault, CU_EVENT_DEFAULT)
SAME(kEventDisableTiming, CU_EVENT_DISABLE_TIMING)
SAME(kCaptureThreadLocal, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
SAME(kAttributeCooperative, CU_LAUNCH_ATTRIBUTE_COOPERATIVE)
SAME(kAttributeProgrammaticSerialization, CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION)

}  // namespace
}  // namespace ossnb::cuda
