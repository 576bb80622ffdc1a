// Modules, functions, launches; and what tests ask.
#include <cstdio>
#include <cstring>

#include "standin_world.h"

using namespace standin;

namespace {

void say(const std::string& words) {
  world().words = words;
  std::fprintf(stderr, "stand-in: %s\n", words.c_str());
}

Result run_kernel(const hc::Kernel& kernel, hc::Launch launch, const std::vector<unsigned char>& args) {
  World& w = world();
  launch.seed = settings().seed == 0 ? 0 : settings().seed + static_cast<unsigned>(w.n_launches);
#if defined(HC_ASAN) || defined(HC_TSAN)
  launch.n_workers = 1;
#else
  launch.n_workers = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 2 : 1;
#endif
  ++w.n_launches;
  for (std::size_t at = 0; at + 8 <= args.size(); at += 8) {
    std::uint64_t word;
    std::memcpy(&word, args.data() + at, 8);
    if (is_foreign(word)) {
      say(std::string("the kernel ") + kernel.name + " gets an address of the host in byte " +
          std::to_string(at) + " of its argument");
      return kIllegalAddress;
    }
  }
  try {
    hc::run(launch, kernel.function, args.data());
    return kSuccess;
  } catch (const hc::Failure& failure) {
    say(std::string("the kernel ") + kernel.name + ": " + failure.what());
    return failure.is_bad_address ? kIllegalAddress : kLaunchFailed;
  }
}

}  // namespace

EXPORT Result cuModuleLoadData(ModuleHandle* module, const void* image) {
  BEGIN("cuModuleLoadData");
  const char* bytes = static_cast<const char*>(image);
  // Machine code is an ELF file, PTX a text; a file with this one word does for a build without either.
  const bool is_known = std::strncmp(bytes, "\177ELF", 4) == 0 || std::strncmp(bytes, "//", 2) == 0 ||
                        std::strncmp(bytes, ".version", 8) == 0 || std::strncmp(bytes, "stand-in", 8) == 0;
  if (!is_known) return kInvalidImage;
  *module = keep(new ModuleOfDriver{current(), {}});
  return kSuccess;
}

EXPORT Result cuModuleUnload(ModuleHandle module) {
  BEGIN("cuModuleUnload");
  if (!is_live(module)) return kInvalidHandle;
  if (const Result result = drain_all(current()); result != kSuccess) return result;
  for (FunctionHandle function : module->functions) destroy(function);
  destroy(module);
  return kSuccess;
}

EXPORT Result cuModuleGetFunction(FunctionHandle* function, ModuleHandle module, const char* name) {
  BEGIN("cuModuleGetFunction");
  if (!is_live(module)) return kInvalidHandle;
  const hc::Kernel* kernel = hc::Kernel::find(name);
  if (kernel == nullptr) return kNotFound;
  *function = keep(new FunctionOfDriver{current(), kernel, 48 << 10});
  module->functions.push_back(*function);
  return kSuccess;
}

EXPORT Result cuFuncSetAttribute(FunctionHandle function, int attribute, int value) {
  BEGIN("cuFuncSetAttribute");
  if (!is_live(function)) return kInvalidHandle;
  if (attribute != kFunctionMaxDynamicShared || value < 0) return kInvalidValue;
  if (static_cast<unsigned>(value) > shared_limit()) return kInvalidValue;
  function->shared_allowed = static_cast<unsigned>(value);
  return kSuccess;
}

EXPORT Result cuFuncGetAttribute(int* value, int attribute, FunctionHandle function) {
  BEGIN("cuFuncGetAttribute");
  if (!is_live(function)) return kInvalidHandle;
  switch (attribute) {
    case kFunctionMaxThreads:
      *value = static_cast<int>(function->kernel->max_threads);
      return kSuccess;
    case kFunctionPtxVersion:
      *value = settings().capability;
      return kSuccess;
    case kFunctionRegisters:
      *value = 32;
      return kSuccess;
    case kFunctionLocalBytes:
      *value = 0;
      return kSuccess;
    default:
      return kInvalidValue;
  }
}

EXPORT Result cuFuncGetParamInfo(FunctionHandle function, std::size_t index, std::size_t* offset,
                                 std::size_t* size) {
  BEGIN("cuFuncGetParamInfo");
  if (!is_live(function)) return kInvalidHandle;
  if (index != 0) return kInvalidValue;
  *offset = 0;
  *size = function->kernel->n_args_bytes;
  return kSuccess;
}

EXPORT Result cuLaunchKernelEx(const LaunchConfig* config, FunctionHandle function, void** arguments,
                               void**) {
  BEGIN("cuLaunchKernelEx");
  if (!is_live(function) || !is_stream(config->stream)) return kInvalidHandle;
  hc::Launch launch;
  launch.grid = dim3(config->grid[0], config->grid[1], config->grid[2]);
  launch.dim = dim3(config->block[0], config->block[1], config->block[2]);
  launch.shared_bytes = config->shared_bytes;
  for (unsigned i = 0; i < config->n_attributes; ++i) {
    const LaunchAttribute& attribute = config->attributes[i];
    if (attribute.id == kAttributeCooperative) launch.all_blocks = attribute.value.number != 0;
    if (attribute.id == kAttributeProgrammaticSerialization) world().n_in_turn += attribute.value.number;
  }
  const hc::Kernel& kernel = *function->kernel;
  if (launch.grid.count() == 0 || launch.dim.count() == 0) return kInvalidValue;
  if (config->grid[0] > 0x7fffffffu || config->grid[1] > 65535 || config->grid[2] > 65535)
    return kInvalidValue;
  if (launch.dim.count() > 1024) return kInvalidValue;
  if (launch.dim.count() > kernel.max_threads) return kLaunchOutOfResources;
  if (launch.shared_bytes > function->shared_allowed) return kInvalidValue;
  const auto* bytes = static_cast<const unsigned char*>(arguments[0]);
  return submit(config->stream,
                [&kernel, launch, args = std::vector<unsigned char>(bytes, bytes + kernel.n_args_bytes)] {
                  return run_kernel(kernel, launch, args);
                });
}

EXPORT int standin_set(const char* name, const char* value) {
  const std::lock_guard lock(world().mutex);
  if (std::strcmp(name, "RESET") == 0) {  // cards as they are after a restart
    set("FAULT", "");
    set("VANISH", "");
    for (ContextOfDriver& context : world().contexts) {
      destroy_all(&context);
      context.n_users = 0;
      context.sticky = kSuccess;
    }
    return 0;
  }
  return set(name, value) ? 0 : 1;
}

// What the last kernel that failed did wrong.
EXPORT const char* standin_words() { return world().words.c_str(); }

EXPORT std::uint64_t standin_count(const char* what) {
  const std::lock_guard lock(world().mutex);
  const std::string name = what;
  if (name == "calls") return world().n_calls;
  if (name == "launches") return world().n_launches;
  if (name == "in turn") return world().n_in_turn;
  if (name == "allocations") return n_allocations();
  if (name == "pinned") return n_pinned();
  if (name == "handles") return world().live.size();
#if defined(HC_ASAN) || defined(HC_TSAN)
  if (name == "sanitized") return 1;
#else
  if (name == "sanitized") return 0;
#endif
  return ~std::uint64_t{0};
}
