#include "cases.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace ossnb::cuda::testing {

const StandIn* stand_in() {
  static StandIn found = {};
  static const bool is_found = [] {
    const char* name = std::getenv("OSSNB_CUDA_DRIVER");
    void* library = name == nullptr ? nullptr : dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return false;
    found.set = reinterpret_cast<decltype(found.set)>(dlsym(library, "standin_set"));
    found.words = reinterpret_cast<decltype(found.words)>(dlsym(library, "standin_words"));
    found.count = reinterpret_cast<decltype(found.count)>(dlsym(library, "standin_count"));
    return found.set != nullptr;
  }();
  return is_found ? &found : nullptr;
}

namespace {

int print_cards() {
  const CardList list = list_cards({0, 1});
  if (!list.why_none.empty()) std::printf("none: %s\n", list.why_none.c_str());
  for (const CardInfo& card : list.cards) {
    std::printf("%s, %d.%d, %zu of %zu bytes free%s%s\n", card.title().c_str(), card.major, card.minor,
                card.memory_free, card.memory_total,
                card.why_not.empty() ? "" : ", not usable: ", card.why_not.c_str());
  }
  return 0;
}

}  // namespace

int run_cases(int n_words, char** words, const Cases& cases) {
  if (n_words > 1 && std::strcmp(words[1], "--cards") == 0) return print_cards();
  int passed = 0, failed = 0;
  for (const Case& one : cases) {
    const std::string wanted = n_words > 1 ? words[1] : "";
    if (one.name.rfind(wanted, 0) != 0) continue;
    if (one.name.rfind("planted", 0) == 0 && wanted.rfind("planted", 0) != 0) continue;
    try {
      one.run();
      ++passed;
    } catch (const std::exception& error) {
      ++failed;
      std::printf("FAILED %s: %s\n", one.name.c_str(), error.what());
    }
    std::fflush(stdout);
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}

}  // namespace ossnb::cuda::testing
