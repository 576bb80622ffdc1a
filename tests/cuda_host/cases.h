// Cases of smoke_cuda and compare_cuda: each is a function that throws where something is not as it should
// be.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "ops/cuda/arrays.h"
#include "ops/cuda/card.h"
#include "ops/cuda/kernel.h"

namespace ossnb::cuda::testing {

struct Case {
  std::string name;
  std::function<void()> run;
};
using Cases = std::vector<Case>;

// The whole program:
//   PROGRAM          runs every case, prints "N passed, N failed"
//   PROGRAM card     runs the cases whose names begin so; those of "planted" only when asked for: they are
//   wrong
//                    on purpose, for the sanitizers
//   PROGRAM --cards  prints the list of cards, or why there is none
int run_cases(int n_words, char** words, const Cases& cases);

void add_card_cases(Cases& cases);     // card_cases.cpp: Card, arrays, kernels, graphs
void add_forward_cases(Cases& cases);  // forward_cases.cpp: whole passes beside the CPU's
void add_graph_cases(Cases& cases);    // graph_cases.cpp: graphs, events, the list of cards
void add_fault_cases(Cases& cases);    // fault_cases.cpp: what goes wrong

// The stand-in's own door (standin_kernels.cpp); null where the driver is another.
struct StandIn {
  int (*set)(const char* name, const char* value);
  const char* (*words)();
  std::uint64_t (*count)(const char* what);
};
const StandIn* stand_in();

#define OSSNB_REQUIRE(condition)                                                                         \
  do {                                                                                                   \
    if (!(condition))                                                                                    \
      throw std::logic_error(std::string("line ") + std::to_string(__LINE__) + ": not so: " #condition); \
  } while (false)

template <class T>
void require_equal(const std::vector<T>& got, const std::vector<T>& wanted, const std::string& what) {
  if (got.size() != wanted.size()) throw std::logic_error(what + ": another size");
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (got[i] == wanted[i]) continue;
    std::ostringstream text;
    text << what << "[" << i << "] is " << +got[i] << ", expected " << +wanted[i];
    throw std::logic_error(text.str());
  }
}

// The message of the Error that `call` throws.
template <class Error, class Call>
std::string message_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  throw std::logic_error("nothing was thrown");
}

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

template <class T>
std::vector<T> read(const Card& card, const DeviceArray<T>& array) {
  std::vector<T> values(array.size());
  array.download(values);
  card.wait();
  return values;
}

}  // namespace ossnb::cuda::testing
