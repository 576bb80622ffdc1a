#include <cstdlib>
#include <string>

#include "base/error.h"
#include "kernels/kernels.h"

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace ossnb::kernels {

#if defined(__x86_64__)
std::vector<Feature> cpu_features() {
  __builtin_cpu_init();
  // __builtin_cpu_supports asks the operating system too: a register the kernel does not save is not
  // reported.
  return {{"avx2", __builtin_cpu_supports("avx2") != 0},
          {"fma", __builtin_cpu_supports("fma") != 0},
          {"avx512f", __builtin_cpu_supports("avx512f") != 0},
          {"avx512bw", __builtin_cpu_supports("avx512bw") != 0},
          {"avx512dq", __builtin_cpu_supports("avx512dq") != 0},
          {"avx512vl", __builtin_cpu_supports("avx512vl") != 0},
          {"avx512vnni", __builtin_cpu_supports("avx512vnni") != 0}};
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
    if (avx512())
      v.push_back({avx512(), has({"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl"})});
    if (avx512vnni()) v.push_back({avx512vnni(), v.back().supported && has({"avx512vnni"})});
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
