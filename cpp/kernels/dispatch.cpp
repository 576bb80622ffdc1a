#include <cstdlib>
#include <string>

#include "base/error.h"
#include "kernels/kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif
#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace ossnb::kernels {

#if defined(__x86_64__)
// The features that not every compiler has a name for.
bool has_avxvnni() {
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax & 1u << 4);
}

#if defined(__linux__)
// AMX has 8 KB of registers a thread, which Linux gives a process only on request. It is refused where a
// thread's stack for signals could not hold them; then the machine counts as one without AMX.
bool has_amx() {
  unsigned eax, ebx, ecx, edx;
  constexpr unsigned kTileAndInt8 = 1u << 24 | 1u << 25, kOsXsave = 1u << 27;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & kOsXsave)) return false;
  if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || (edx & kTileAndInt8) != kTileAndInt8) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#else
bool has_amx() { return false; }
#endif

std::vector<Feature> cpu_features() {
#if defined(OSSNB_EMULATE)
  constexpr bool kAll = true;  // by tests/cpp/emulated
#else
  constexpr bool kAll = false;
#endif
  const auto feature = [](const char* name, bool present) { return Feature{name, kAll || present}; };
  __builtin_cpu_init();
  // __builtin_cpu_supports asks the operating system too. It reports no register that the system does not
  // save.
  return {feature("avx2", __builtin_cpu_supports("avx2") != 0),
          feature("fma", __builtin_cpu_supports("fma") != 0),
          feature("avxvnni", has_avxvnni()),
          feature("avx512f", __builtin_cpu_supports("avx512f") != 0),
          feature("avx512bw", __builtin_cpu_supports("avx512bw") != 0),
          feature("avx512dq", __builtin_cpu_supports("avx512dq") != 0),
          feature("avx512vl", __builtin_cpu_supports("avx512vl") != 0),
          feature("avx512vnni", __builtin_cpu_supports("avx512vnni") != 0),
          feature("avx512vbmi", __builtin_cpu_supports("avx512vbmi") != 0),
          feature("amx", has_amx())};
}
#elif defined(__aarch64__) && defined(__linux__)
std::vector<Feature> cpu_features() {
  const unsigned long bits = getauxval(AT_HWCAP);
  return {{"asimd", (bits & HWCAP_ASIMD) != 0}, {"asimddp", (bits & HWCAP_ASIMDDP) != 0}};
}
#else
std::vector<Feature> cpu_features() { return {}; }
#endif

const std::vector<Level>& levels() {
  static const std::vector<Level> all = [] {
    const auto has = [features = cpu_features()](std::initializer_list<const char*> names) {
      for (const std::string name : names) {
        bool found = false;
        for (const Feature& f : features) found |= f.present && name == f.name;
        if (!found) return false;
      }
      return true;
    };
    std::vector<Level> v{{&reference(), true}};
    if (avx2()) v.push_back({avx2(), has({"avx2", "fma"})});
    if (avxvnni()) v.push_back({avxvnni(), v.back().supported && has({"avxvnni"})});
    if (avx512())
      v.push_back({avx512(), has({"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl"})});
    if (avx512vnni()) v.push_back({avx512vnni(), v.back().supported && has({"avx512vnni"})});
    if (amx()) v.push_back({amx(), v.back().supported && has({"amx", "avx512vbmi"})});
    if (neon()) v.push_back({neon(), true});  // part of every 64-bit Arm
    if (neon_dot()) v.push_back({neon_dot(), has({"asimddp"})});
    return v;
  }();
  return all;
}

const Table& choose(const char* name) {
  std::string wanted = name;
  if (wanted.empty()) {
    const char* env = std::getenv("OSSNB_ISA");
    wanted = env ? env : "";
  }
  std::string offered;
  const Table* best = nullptr;
  for (const Level& level : levels()) {
    if (!level.supported) continue;
    if (wanted == level.table->name) return *level.table;
    best = level.table;
    offered += (offered.empty() ? "" : ", ") + std::string(level.table->name);
  }
  if (wanted.empty()) return *best;
  throw ValueError("instruction set '" + wanted +
                   "' (isa= or OSSNB_ISA) is not one this machine can run; choose one of: " + offered);
}

}  // namespace ossnb::kernels
