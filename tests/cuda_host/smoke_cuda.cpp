// A card and what goes wrong with one, without the engine: quick to build, also for the sanitizers. Its
// kernels are those of smoke.cu, which only the stand-in has.
#include "cases.h"

int main(int n_words, char** words) {
  using namespace ossnb::cuda::testing;
  Cases cases;
  add_card_cases(cases);
  add_graph_cases(cases);
  add_fault_cases(cases);
  return run_cases(n_words, words, cases);
}
