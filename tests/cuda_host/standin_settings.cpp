#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

#include "standin.h"

namespace standin {
namespace {

using namespace ossnb::cuda;

struct Wish {
  std::string function;
  long long left;  // calls before the one that fails
  Result result;
};

struct State {
  Settings settings;
  std::vector<Wish> wishes;
  long long left_before_vanishing = -1;  // -1: never
  State();
};

State& state() {
  static auto* one = new State;
  return *one;
}

bool wish(State& s, const std::string& text) {
  s.wishes.clear();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    char function[64];
    long long n = 0;
    int result = 0;
    if (std::sscanf(text.substr(at, end - at).c_str(), "%63[^:]:%lld:%d", function, &n, &result) != 3)
      return false;
    s.wishes.push_back({function, n - 1, result});
    at = end + 1;
  }
  return true;
}

bool set_in(State& s, const std::string& name, const std::string& value) {
  Settings& all = s.settings;
  const double number = std::atof(value.c_str());
  if (name == "CARDS") {
    all.n_cards = static_cast<int>(number);
  } else if (name == "NAME") {
    all.name = value;
  } else if (name == "CAPABILITY") {
    int major = 0, minor = 0;
    std::sscanf(value.c_str(), "%d.%d", &major, &minor);
    all.capability = 10 * major + minor;
  } else if (name == "MEMORY") {
    all.memory = static_cast<std::size_t>(number);
  } else if (name == "VERSION") {
    all.version = static_cast<int>(number);
  } else if (name == "SEED") {
    all.seed = static_cast<unsigned>(number);
  } else if (name == "LAZY") {
    all.lazy = value.empty() ? -1 : static_cast<int>(number);
  } else if (name == "SLOW_MS") {
    all.slow_ms = static_cast<int>(number);
  } else if (name == "FAULT") {
    return wish(s, value);
  } else if (name == "VANISH") {
    s.left_before_vanishing = value.empty() ? -1 : static_cast<long long>(number);
  } else {
    return false;
  }
  return true;
}

State::State() {
  for (const char* name :
       {"CARDS", "NAME", "CAPABILITY", "MEMORY", "VERSION", "SEED", "LAZY", "SLOW_MS", "FAULT", "VANISH"}) {
    const char* value = std::getenv((std::string("OSSNB_STANDIN_") + name).c_str());
    if (value == nullptr) continue;
    if (!set_in(*this, name, value))
      std::fprintf(stderr, "OSSNB_STANDIN_%s=%s is not understood\n", name, value);
  }
}

}  // namespace

const Settings& settings() { return state().settings; }

bool set(const std::string& name, const std::string& value) { return set_in(state(), name, value); }

Result wished_fault(const char* function) {
  State& s = state();
  if (s.left_before_vanishing > 0) --s.left_before_vanishing;
  for (Wish& w : s.wishes) {
    if (w.function == function && w.left-- == 0) return w.result;
  }
  return kSuccess;
}

bool has_vanished() { return state().left_before_vanishing == 0; }

bool is_sticky(Result result) {
  return result == kEccUncorrectable || result == kNvlinkUncorrectable || result == kContained ||
         result == kIllegalAddress || result == kLaunchTimeout || result == kAssert ||
         (result >= kHardwareStackError && result <= kLaunchFailed) || result == kUnknown;
}

}  // namespace standin
