#include <algorithm>
#include <atomic>
#include <chrono>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "base/error.h"
#include "bindings/bind.h"
#include "bindings/bound_sequence.h"
#include "bindings/bound_step.h"
#include "bindings/from_python.h"
#include "model/forward.h"

namespace ossnb {

namespace {

struct CancelFlag {
  std::atomic<bool> value{false};
};

// One call's arguments, held and marked as in use for its duration.
class Call {
 public:
  Call(const py::iterable& feeds, const py::iterable& choosers, const CancelFlag* cancel) : cancel_(cancel) {
    for (const auto& item : feeds) {
      auto [sequence, tokens, n_wanted] = item.cast<std::tuple<SequencePtr, Tokens, int>>();
      if (!sequence) throw ValueError("a feed is (sequence, tokens, n_wanted), got None for the sequence");
      if (tokens.ndim() != 1) throw ValueError("token ids must be one-dimensional");
      feeds_.push_back({&sequence->idle(), tokens.data(), static_cast<int>(tokens.size()), n_wanted});
      n_wanted_ += std::max(0, n_wanted);
      tokens_.push_back(std::move(tokens));
      sequences_.push_back(std::move(sequence));
    }
    for (const auto& item : choosers) {
      bound_.push_back(item.cast<BoundChooser>());
      choosers_.push_back(bound_.back().chooser);
    }
    for (const auto& s : sequences_) uses_.emplace_back(*s);
    for (const auto& b : bound_) readings_.emplace_back(*b.sampler);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  const std::vector<Feed>& feeds() const { return feeds_; }
  const std::vector<Chooser>& choosers() const { return choosers_; }
  py::ssize_t n_wanted() const { return n_wanted_; }

  // Without the GIL.
  bool should_stop() const {
    return (cancel_ && cancel_->value.load(std::memory_order_relaxed)) || is_interrupted();
  }

 private:
  const CancelFlag* cancel_;
  std::vector<Feed> feeds_;
  std::vector<Chooser> choosers_;
  std::vector<Tokens> tokens_;
  std::vector<SequencePtr> sequences_;
  std::vector<BoundChooser> bound_;
  std::list<BoundSequence::Use> uses_;
  std::list<BoundSampler::Reading> readings_;
  py::ssize_t n_wanted_ = 0;
};

using Logits = py::array_t<float, py::array::c_style>;

class BoundModel {
 public:
  BoundModel(const py::dict& config, py::dict tensors, std::string device, int threads,
             const std::string& precision, const std::string& kv, const std::string& isa,
             std::size_t device_memory, std::size_t kv_memory, int host_layers)
      : tensors_(std::move(tensors)), device_(std::move(device)), kv_(kv) {
    const Config checked = config_from(config);
    const DeviceOptions options = {.precision = precision_from(precision),
                                   .kv = kv_format_from(kv),
                                   .n_threads = threads,
                                   .host_layers = std::clamp(host_layers, 0, checked.num_hidden_layers),
                                   .device_memory = device_memory,
                                   .kv_memory = kv_memory,
                                   .isa = isa,
                                   .poll = is_interrupted};
    const Weights::Find find = [this](const std::string& name) {
      const py::gil_scoped_acquire locked;
      return tensor_from(tensors_, name);
    };
    cancellable([&] {  // without packed copies the device makes its own: seconds
      const GilFree unlocked;
      model_ = std::make_unique<Model>(checked, find, device_, options);
    });
  }

  Model& model() { return *model_; }
  const std::string& device() const { return device_; }
  const std::string& kv_format() const { return kv_; }

  SequencePtr sequence(std::vector<BlockId> blocks, int length) {
    return std::make_shared<BoundSequence>(model_->sequence(std::move(blocks), length));
  }

  void set_threads(int n) {
    if (n < 1) throw ValueError("threads must be >= 1, got " + std::to_string(n));
    const GilFree unlocked;
    std::lock_guard turn(turn_);
    model_->device().set_threads(n);
  }

  BoundStep step(const py::iterable& feeds, const py::iterable& choosers, const CancelFlag* cancel) {
    const Call call(feeds, choosers, cancel);
    std::vector<Choice> choices;
    std::uint64_t n_bytes = 0;
    in_turn(call,
            [&](const auto& poll) { n_bytes = model_->step(call.feeds(), call.choosers(), choices, poll); });
    return bound_step(choices, n_bytes);
  }

  // Into `out`, where it is given: the pages of a large array are then touched by the pass, which can be
  // cancelled, and not by a copy, which cannot.
  Logits logits(const py::iterable& feeds, const CancelFlag* cancel, std::optional<Logits> out) {
    const Call call(feeds, py::list(), cancel);
    const py::ssize_t V = model_->config().vocab_size;
    if (out && (out->ndim() != 2 || out->shape(0) != call.n_wanted() || out->shape(1) != V)) {
      throw ValueError("out must be float32 [" + std::to_string(call.n_wanted()) + ", " + std::to_string(V) +
                       "], a row for each wanted one");
    }
    return run(call, nullptr, std::move(out));
  }

  // All logits of one sequence, and the layers' arrays on the way.
  py::dict trace(const SequencePtr& sequence, const Tokens& tokens, const CancelFlag* cancel) {
    const Config& c = model_->config();
    const py::ssize_t L = c.num_hidden_layers, T = tokens.size(), A = c.num_experts_per_tok,
                      E = c.num_local_experts, D = c.hidden_size;
    py::array_t<float> hidden({L + 1, T, D}), router_logits({L, T, E}), expert_weights({L, T, A});
    py::array_t<std::int32_t> experts({L, T, A});
    float *h = hidden.mutable_data(), *r = router_logits.mutable_data(), *w = expert_weights.mutable_data();
    std::int32_t* e = experts.mutable_data();
    const py::list feeds = py::list(py::make_tuple(py::make_tuple(sequence, tokens, T)));
    py::array_t<float> logits = run(Call(feeds, py::list(), cancel), [=](int layer, const Ops& ops) {
      ops.read_hidden(h + (layer + 1) * T * D);
      if (layer < 0) return;
      ops.read_router_logits(r + layer * T * E);
      ops.read_experts(e + layer * T * A, w + layer * T * A);
    });
    return py::dict(py::arg("logits") = logits, py::arg("hidden") = hidden,
                    py::arg("router_logits") = router_logits, py::arg("experts") = experts,
                    py::arg("expert_weights") = expert_weights);
  }

 private:
  Logits run(const Call& call, const Model::Observer& observe, std::optional<Logits> out = {}) {
    Logits logits = out ? std::move(*out)
                        : Logits({call.n_wanted(), static_cast<py::ssize_t>(model_->config().vocab_size)});
    float* data = logits.mutable_data();
    in_turn(call, [&](const auto& poll) { model_->logits(call.feeds(), data, poll, observe); });
    return logits;
  }

  // Waits until no other thread computes with this model, then calls compute(poll) without the GIL. Threads
  // of Python have an order of their own (engine/turns.py), so a wait here is rare, and its steps may be
  // coarse. A timed mutex would do, but the thread sanitizer of GCC 12 does not know its lock.
  template <class Compute>
  void in_turn(const Call& call, Compute compute) {
    cancellable([&] {
      const GilFree unlocked;
      const Model::Poll poll = [&] { return call.should_stop(); };
      std::unique_lock turn(turn_, std::defer_lock);
      while (!turn.try_lock()) {
        if (poll()) throw Cancelled();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      if (poll()) throw Cancelled();  // a short call may end before the device asks for the first time
      compute(poll);
    });
  }

  py::dict tensors_;
  std::string device_, kv_;
  std::unique_ptr<Model> model_;
  std::mutex turn_;
};

}  // namespace

void bind_model(py::module_& m) {
  py::class_<CancelFlag>(m, "CancelFlag")
      .def(py::init<>())
      .def("set", [](CancelFlag& f) { f.value = true; })
      .def("clear", [](CancelFlag& f) { f.value = false; })
      .def("is_set", [](const CancelFlag& f) { return f.value.load(); });

  py::class_<BoundModel>(m, "Model")
      .def(py::init<const py::dict&, py::dict, std::string, int, const std::string&, const std::string&,
                    const std::string&, std::size_t, std::size_t, int>(),
           py::arg("config"), py::arg("tensors"), py::kw_only(), py::arg("device") = "cpu",
           py::arg("threads"), py::arg("precision") = "exact", py::arg("kv_format") = "float32",
           py::arg("isa") = "", py::arg("device_memory") = 0, py::arg("kv_memory") = 0,
           py::arg("host_layers") = 0)
      .def_property_readonly("device", &BoundModel::device)
      .def_property_readonly("isa", [](BoundModel& b) { return b.model().device().isa(); })
      .def_property(
          "threads", [](BoundModel& b) { return b.model().device().threads(); }, &BoundModel::set_threads)
      .def_property_readonly("kv", [](BoundModel& b) { return b.model().device().kv(); })
      .def_property_readonly("kv_format", &BoundModel::kv_format)
      .def_property_readonly("kv_bytes_per_token",
                             [](BoundModel& b) {
                               const auto kv = b.model().device().kv();
                               return kv->block_bytes() / kv->block_tokens();
                             })
      .def_property_readonly("n_vocab", [](BoundModel& b) { return b.model().config().vocab_size; })
      .def("sequence", &BoundModel::sequence, py::arg("blocks") = std::vector<BlockId>{},
           py::arg("length") = 0)
      .def("step", &BoundModel::step, py::arg("feeds"), py::arg("choosers"), py::arg("cancel") = py::none())
      .def("logits", &BoundModel::logits, py::arg("feeds"), py::arg("cancel") = py::none(),
           py::arg("out").noconvert() = py::none())
      .def("trace", &BoundModel::trace, py::arg("sequence").none(false), py::arg("tokens"),
           py::arg("cancel") = py::none());
}

}  // namespace ossnb
