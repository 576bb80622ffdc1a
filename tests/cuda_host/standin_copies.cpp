// Memory and copies.
#include <cstring>

#include "standin_world.h"

using namespace standin;

namespace {

bool is_memory(std::uint64_t address, std::size_t n) { return is_on_card(current()->ordinal, address, n); }

}  // namespace

EXPORT Result cuMemGetInfo_v2(std::size_t* n_free, std::size_t* total) {
  BEGIN("cuMemGetInfo");
  *total = settings().memory;
  const std::size_t used = allocated_bytes(current()->ordinal);
  *n_free = used < *total ? *total - used : 0;
  return kSuccess;
}

EXPORT Result cuMemAlloc_v2(DevicePtr* memory, std::size_t n_bytes) {
  BEGIN("cuMemAlloc");
  if (breaks_capture()) return kCaptureUnsupported;
  if (n_bytes == 0) return kInvalidValue;
  const std::size_t used = allocated_bytes(current()->ordinal);
  if (n_bytes > settings().memory || used > settings().memory - n_bytes) return kOutOfMemory;
  *memory = allocate(current()->ordinal, n_bytes);
  return *memory == 0 ? kOutOfMemory : kSuccess;
}

EXPORT Result cuMemFree_v2(DevicePtr memory) {
  BEGIN("cuMemFree");
  if (breaks_capture()) return kCaptureUnsupported;
  if (const Result result = drain_all(current()); result != kSuccess) return result;
  return is_memory(memory, 0) && release(memory) ? kSuccess : kInvalidValue;
}

EXPORT Result cuMemAllocHost_v2(void** memory, std::size_t n_bytes) {
  BEGIN("cuMemAllocHost");
  if (breaks_capture()) return kCaptureUnsupported;
  *memory = allocate_pinned(current()->ordinal, n_bytes);
  return *memory == nullptr ? kOutOfMemory : kSuccess;
}

EXPORT Result cuMemFreeHost(void* memory) {
  BEGIN("cuMemFreeHost");
  if (breaks_capture()) return kCaptureUnsupported;
  if (const Result result = drain_all(current()); result != kSuccess) return result;
  return release_pinned(memory) ? kSuccess : kInvalidValue;
}

EXPORT Result cuMemHostRegister_v2(void* memory, std::size_t n_bytes, unsigned) {
  BEGIN("cuMemHostRegister");
  if (memory == nullptr || n_bytes == 0) return kInvalidValue;
  return pin(current()->ordinal, memory, n_bytes) ? kSuccess : kHostMemoryAlreadyRegistered;
}

EXPORT Result cuMemHostUnregister(void* memory) {
  BEGIN("cuMemHostUnregister");
  if (const Result result = drain_all(current()); result != kSuccess) return result;
  return unpin(memory) ? kSuccess : kInvalidValue;
}

namespace {

// What a copy does when the stream comes to it; what it wants is looked up anew, since memory may be gone by
// then.
Operation copying(std::uint64_t to, bool to_card, std::uint64_t from, bool from_card, std::size_t n) {
  const int ordinal = current()->ordinal;
  return [=]() -> Result {
    if (to_card && !is_on_card(ordinal, to, n)) return kIllegalAddress;
    if (from_card && !is_on_card(ordinal, from, n)) return kIllegalAddress;
    std::memmove(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), n);
    return kSuccess;
  };
}

std::uint64_t number(const void* address) { return reinterpret_cast<std::uint64_t>(address); }

}  // namespace

EXPORT Result cuMemcpyHtoDAsync_v2(DevicePtr to, const void* from, std::size_t n, StreamHandle stream) {
  BEGIN("cuMemcpyHtoDAsync");
  if (!is_stream(stream)) return kInvalidHandle;
  if (!is_memory(to, n) || from == nullptr || is_memory(number(from), 0)) return kInvalidValue;
  if (is_pinned(from, n)) return submit(stream, copying(to, true, number(from), false, n));
  if (stream->capture != nullptr && breaks_capture()) return kCaptureUnsupported;
  // Pageable memory is read at once.
  const auto* bytes = static_cast<const unsigned char*>(from);
  const int ordinal = current()->ordinal;
  return submit(stream, [=, copy = std::vector<unsigned char>(bytes, bytes + n)]() -> Result {
    if (!is_on_card(ordinal, to, n)) return kIllegalAddress;
    std::memcpy(reinterpret_cast<void*>(to), copy.data(), n);
    return kSuccess;
  });
}

EXPORT Result cuMemcpyDtoHAsync_v2(void* to, DevicePtr from, std::size_t n, StreamHandle stream) {
  BEGIN("cuMemcpyDtoHAsync");
  if (!is_stream(stream)) return kInvalidHandle;
  if (!is_memory(from, n) || to == nullptr || is_memory(number(to), 0)) return kInvalidValue;
  if (is_pinned(to, n)) return submit(stream, copying(number(to), false, from, true, n));
  if (stream->capture != nullptr && breaks_capture()) return kCaptureUnsupported;
  if (const Result result = drain(stream); result != kSuccess) return result;
  return note(current(), copying(number(to), false, from, true, n)());
}

EXPORT Result cuMemcpyDtoDAsync_v2(DevicePtr to, DevicePtr from, std::size_t n, StreamHandle stream) {
  BEGIN("cuMemcpyDtoDAsync");
  if (!is_stream(stream)) return kInvalidHandle;
  if (!is_memory(to, n) || !is_memory(from, n)) return kInvalidValue;
  return submit(stream, copying(to, true, from, true, n));
}

EXPORT Result cuMemsetD8Async(DevicePtr to, unsigned char byte, std::size_t n, StreamHandle stream) {
  BEGIN("cuMemsetD8Async");
  if (!is_stream(stream)) return kInvalidHandle;
  if (!is_memory(to, n)) return kInvalidValue;
  const int ordinal = current()->ordinal;
  return submit(stream, [=]() -> Result {
    if (!is_on_card(ordinal, to, n)) return kIllegalAddress;
    std::memset(reinterpret_cast<void*>(to), byte, n);
    return kSuccess;
  });
}
