#include "bindings/bind.h"
#include "ops/cuda/arrays.h"
#include "ops/cuda/card.h"
#include "ops/cuda/kernel.h"
#include "ops/cuda/stopwatch.h"

namespace ossnb {

namespace {

py::dict as_dict(const cuda::CardInfo& card) {
  py::dict found;
  found["ordinal"] = card.ordinal;
  found["name"] = card.name;
  found["capability"] = py::make_tuple(card.major, card.minor);
  found["multiprocessors"] = card.n_multiprocessors;
  found["is_integrated"] = card.is_integrated;
  found["memory_total"] = card.memory_total;
  found["memory_free"] = card.memory_free;
  found["why_not"] = card.why_not;
  return found;
}

// Bytes read and written in a second by copies within the card's memory, the best of a few.
double measure_copy_gb_s(int ordinal, int megabytes) {
  const GilFree unlocked;
  const std::size_t n = static_cast<std::size_t>(megabytes) << 20;
  const auto card = cuda::Card::open(ordinal);
  cuda::DeviceMemory from(card, n), to(card, n);
  from.fill(0, 1, n);
  double best = 0;
  for (int round = 0; round < 5; ++round) {
    cuda::Event before(card, cuda::Event::Use::timing), after(card, cuda::Event::Use::timing);
    before.record();
    to.copy(0, from, 0, n);
    after.record();
    card->wait(after);
    best = std::max(best, 2e-6 * static_cast<double>(n) / after.ms_since(before));
  }
  return best;
}

}  // namespace

void bind_cards(py::module_& m) {
  m.def(
      "cuda_cards",
      [](const std::vector<int>& free_of) {
        const cuda::CardList found = [&] {
          const GilFree unlocked;
          return cuda::list_cards(free_of);
        }();
        py::list cards;
        for (const cuda::CardInfo& card : found.cards) cards.append(as_dict(card));
        return py::make_tuple(cards, found.why_none);
      },
      py::arg("free_of") = std::vector<int>());
  m.def("measure_copy_gb_s", &measure_copy_gb_s, py::arg("ordinal") = 0, py::arg("megabytes") = 1024);
  m.def("cuda_time_kernels", &cuda::time_kernels, py::arg("on"));
  m.def("cuda_kernel_times", [] {
    std::map<std::string, std::pair<int, double>> found;
    for (const auto& [name, time] : cuda::take_times()) found[name] = {time.n, time.ms};
    return found;
  });
}

}  // namespace ossnb
