#include "bindings/bind.h"
#include "ops/cuda/card.h"

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

}  // namespace

void bind_cards(py::module_& m) {
  m.def(
      "cuda_cards",
      [](bool with_free_memory) {
        const cuda::CardList found = [&] {
          const GilFree unlocked;
          return cuda::list_cards(with_free_memory);
        }();
        py::list cards;
        for (const cuda::CardInfo& card : found.cards) cards.append(as_dict(card));
        return py::make_tuple(cards, found.why_none);
      },
      py::arg("with_free_memory") = false);
}

}  // namespace ossnb
