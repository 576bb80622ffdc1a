// The engine on the GPU, bit by bit beside the CPU's, on the driver that OSSNB_CUDA_DRIVER names (the
// stand-in, or a card's own). `run_cases` (cases.h) has its words.
#include "cases.h"
#include "ops/cuda/cuda_device.h"

int main(int n_words, char** words) {
  using namespace ossnb::cuda::testing;
  ossnb::register_device(ossnb::cuda_device());
  Cases cases;
  add_forward_cases(cases);
  return run_cases(n_words, words, cases);
}
