// The driver and its cards: what can be asked, and contexts.
#include <cstdio>

#include "standin_world.h"

using namespace standin;

EXPORT Result cuInit(unsigned flags) {
  BEGIN("cuInit", Needs::nothing);
  if (flags != 0) return kInvalidValue;
  if (settings().n_cards == 0) return kNoDevice;
  world().begun_by = getpid();
  return kSuccess;
}

EXPORT Result cuDriverGetVersion(int* version) {
  BEGIN("cuDriverGetVersion", Needs::nothing);
  *version = settings().version;
  return kSuccess;
}

EXPORT Result cuDeviceGetCount(int* count) {
  BEGIN("cuDeviceGetCount", Needs::init);
  *count = settings().n_cards;
  return kSuccess;
}

EXPORT Result cuDeviceGet(DeviceId* device, int ordinal) {
  BEGIN("cuDeviceGet", Needs::init);
  if (ordinal < 0 || ordinal >= settings().n_cards || ordinal >= kMostCards) return kInvalidDevice;
  *device = ordinal;
  return kSuccess;
}

EXPORT Result cuDeviceGetName(char* name, int length, DeviceId) {
  BEGIN("cuDeviceGetName", Needs::init);
  std::snprintf(name, static_cast<std::size_t>(length), "%s", settings().name.c_str());
  return kSuccess;
}

EXPORT Result cuDeviceGetAttribute(int* value, int attribute, DeviceId) {
  BEGIN("cuDeviceGetAttribute", Needs::init);
  switch (attribute) {
    case kMaxThreadsPerBlock:
      *value = 1024;
      return kSuccess;
    case kMultiprocessorCount:
      *value = 4;
      return kSuccess;
    case kIntegrated:
    case kComputeMode:
      *value = 0;
      return kSuccess;
    case kL2CacheSize:
      *value = 4 << 20;
      return kSuccess;
    case kCapabilityMajor:
      *value = settings().capability / 10;
      return kSuccess;
    case kCapabilityMinor:
      *value = settings().capability % 10;
      return kSuccess;
    case kMaxSharedPerBlockOptin:
      *value = static_cast<int>(shared_limit());
      return kSuccess;
    default:
      return kInvalidValue;
  }
}

EXPORT Result cuDeviceTotalMem_v2(std::size_t* bytes, DeviceId) {
  BEGIN("cuDeviceTotalMem", Needs::init);
  *bytes = settings().memory;
  return kSuccess;
}

EXPORT Result cuDevicePrimaryCtxRetain(ContextHandle* context, DeviceId device) {
  BEGIN("cuDevicePrimaryCtxRetain", Needs::init);
  if (device < 0 || device >= settings().n_cards) return kInvalidDevice;
  ContextOfDriver& primary = world().contexts[device];
  if (primary.sticky != kSuccess) return primary.sticky;
  primary.ordinal = device;
  ++primary.n_users;
  *context = &primary;
  return kSuccess;
}

EXPORT Result cuDevicePrimaryCtxRelease_v2(DeviceId device) {
  BEGIN("cuDevicePrimaryCtxRelease", Needs::init);
  ContextOfDriver& primary = world().contexts[device];
  if (primary.n_users == 0) return kInvalidContext;
  if (--primary.n_users > 0) return kSuccess;
  primary.sticky = kSuccess;  // the last one takes everything with it
  destroy_all(&primary);
  return kSuccess;
}

EXPORT Result cuCtxPushCurrent_v2(ContextHandle context) {
  BEGIN("cuCtxPushCurrent", Needs::init);
  if (context == nullptr || context->n_users == 0) return kInvalidContext;
  nested().push_back(context);
  return kSuccess;
}

EXPORT Result cuCtxPopCurrent_v2(ContextHandle* context) {
  if (nested().empty()) return kInvalidContext;
  *context = nested().back();
  nested().pop_back();
  return kSuccess;
}
