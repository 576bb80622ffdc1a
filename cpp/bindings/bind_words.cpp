// Vocabulary: the bytes of a text's pieces, and their tokens.
#include "bindings/bind.h"
#include "words/vocabulary.h"

namespace ossnb {

namespace {

// The bytes of each object. They keep their place while the list lives and nobody changes it.
std::vector<std::string_view> views_of(const py::list& list) {
  std::vector<std::string_view> views;
  views.reserve(list.size());
  for (const py::handle item : list) views.push_back(item.cast<std::string_view>());
  return views;
}

std::unique_ptr<Vocabulary> make_vocabulary(const py::list& tokens) {
  const py::list own(tokens[py::slice(0, static_cast<py::ssize_t>(tokens.size()), 1)]);
  const std::vector<std::string_view> views = views_of(own);
  const GilFree unlocked;
  return std::make_unique<Vocabulary>(views);
}

py::array_t<std::int32_t> encode(const Vocabulary& vocabulary, const py::list& pieces) {
  const py::list own(pieces[py::slice(0, static_cast<py::ssize_t>(pieces.size()), 1)]);
  const std::vector<std::string_view> views = views_of(own);
  std::vector<std::int32_t> ids;
  {
    const GilFree unlocked;
    const auto poll = [] {
      if (python_is_ending()) return;
      const py::gil_scoped_acquire locked;
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    };
    for (const std::string_view piece : views) vocabulary.encode(piece, ids, poll);
  }
  return py::array_t<std::int32_t>(static_cast<py::ssize_t>(ids.size()), ids.data());
}

}  // namespace

void bind_words(py::module_& m) {
  py::class_<Vocabulary>(m, "Vocabulary")
      .def(py::init(&make_vocabulary), py::arg("tokens"))
      .def("encode", &encode, py::arg("pieces"));
}

}  // namespace ossnb
