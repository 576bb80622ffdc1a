#include <atomic>
#include <chrono>
#include <cmath>
#include <mutex>

#include "base/error.h"
#include "bindings/bind.h"
#include "bindings/bound_sampler.h"
#include "model/forward.h"

namespace ossnb {

namespace {

struct CancelFlag {
  std::atomic<bool> value{false};
};

// A sequence and whether a forward call is writing into it. Calls are made with the GIL held, so the flag
// only has to tell a caller that a call in another thread, which released the GIL, is under way.
struct BoundSequence {
  Sequence sequence;
  bool in_use = false;

  Sequence& idle() {
    if (in_use)
      throw std::runtime_error(
          "this sequence is being extended by another thread; wait for it, or fork it before");
    return sequence;
  }
};

using SequencePtr = std::shared_ptr<BoundSequence>;

Config config_from(const py::dict& d) {
  const auto integer = [&](const char* key) { return d[key].cast<int>(); };
  const auto real = [&](const char* key) { return d[key].cast<double>(); };
  Config c{};
  c.num_hidden_layers = integer("num_hidden_layers");
  c.hidden_size = integer("hidden_size");
  c.intermediate_size = integer("intermediate_size");
  c.num_attention_heads = integer("num_attention_heads");
  c.num_key_value_heads = integer("num_key_value_heads");
  c.head_dim = integer("head_dim");
  c.num_local_experts = integer("num_local_experts");
  c.num_experts_per_tok = integer("num_experts_per_tok");
  c.vocab_size = integer("vocab_size");
  c.sliding_window = integer("sliding_window");
  for (const auto& type : d["layer_types"])
    c.layer_is_sliding.push_back(type.cast<std::string>() == "sliding_attention");
  c.rms_norm_eps = static_cast<float>(real("rms_norm_eps"));
  c.swiglu_limit = static_cast<float>(real("swiglu_limit"));
  c.swiglu_alpha = static_cast<float>(real("swiglu_alpha"));
  c.rope_theta = real("rope_theta");
  c.rope_factor = real("rope_factor");
  c.rope_beta_fast = real("rope_beta_fast");
  c.rope_beta_slow = real("rope_beta_slow");
  c.rope_original_max_position_embeddings = integer("rope_original_max_position_embeddings");
  c.max_position_embeddings = integer("max_position_embeddings");
  return c;
}

Tensor tensor_from(const py::dict& tensors, const std::string& name) {
  if (!tensors.contains(name)) return {};
  const auto array = tensors[name.c_str()].cast<py::array>();
  if (!(array.flags() & py::array::c_style)) throw ValueError("tensor " + name + " is not C-contiguous");
  return {array.data(), static_cast<int>(array.itemsize()), {array.shape(), array.shape() + array.ndim()}};
}

Precision precision_from(const std::string& name) {
  if (name == "exact") return Precision::exact;
  if (name == "fast") return Precision::fast;
  throw ValueError("precision must be 'exact' or 'fast', got '" + name + "'");
}

// Bounds of the logits after a sequence's last token. Holds what it was computed from.
struct Screened {
  Screen screen;
};

class BoundModel {
 public:
  BoundModel(const py::dict& config, py::dict tensors, int threads, const std::string& precision,
             const std::string& isa)
      : tensors_(std::move(tensors)),
        model_(
            config_from(config), [this](const std::string& name) { return tensor_from(tensors_, name); },
            precision_from(precision), threads, isa) {}

  Model& model() { return model_; }
  SequencePtr sequence() {
    return std::make_shared<BoundSequence>(BoundSequence{Sequence(KvLayout(model_.config()))});
  }

  void set_threads(int n) {
    if (n < 1) throw ValueError("threads must be >= 1, got " + std::to_string(n));
    py::gil_scoped_release unlocked;
    std::lock_guard turn(turn_);
    model_.pool().resize(n);
  }

  py::array_t<float> forward(const py::iterable& batch, const CancelFlag* cancel) {
    return run(Call(batch, cancel), nullptr);
  }

  std::unique_ptr<Screened> forward_screened(const SequencePtr& sequence, const Tokens& tokens,
                                             const CancelFlag* cancel) {
    if (!model_.has_screen())
      throw ValueError("this model has no packed copy of lm_head to screen with; use forward()");
    if (tokens.size() < 1) throw ValueError("a sequence was given no tokens; expected at least one");
    auto screened = std::make_unique<Screened>();
    const Call call(py::list(py::make_tuple(py::make_tuple(sequence, tokens, 1))), cancel);
    in_turn(call,
            [&](const auto& poll) { model_.forward_screened(call.feeds()[0], screened->screen, poll); });
    return screened;
  }

  // (token, bytes of lm_head that were read to be sure of it)
  py::tuple choose(const Screened& screened, const BoundSampler& sampler, std::int64_t position) {
    if (sampler.n_vocab != model_.config().vocab_size || screened.screen.approx.empty())
      throw ValueError("the sampler was made for another vocabulary");
    if (sampler.sampler.needs_all_logits())
      throw ValueError("this sampler's filters or penalties need all logits: use forward() and sample()");
    int n_rescored = 0;
    std::int32_t token;
    {
      py::gil_scoped_release unlocked;
      std::lock_guard turn(turn_);
      token = model_.choose(screened.screen, sampler.sampler, position, n_rescored);
    }
    return py::make_tuple(token, std::int64_t{n_rescored} * model_.config().hidden_size * 2);
  }

  // forward() of one sequence with all logits, and what the layers did on the way.
  py::dict trace(const SequencePtr& sequence, const Tokens& tokens, const CancelFlag* cancel) {
    const Config& c = model_.config();
    const py::ssize_t L = c.num_hidden_layers, T = tokens.size(), A = c.num_experts_per_tok,
                      E = c.num_local_experts, D = c.hidden_size;
    py::array_t<float> hidden({L + 1, T, D}), router_logits({L, T, E}), expert_weights({L, T, A});
    py::array_t<std::int32_t> experts({L, T, A});
    float *h = hidden.mutable_data(), *r = router_logits.mutable_data(), *w = expert_weights.mutable_data();
    std::int32_t* e = experts.mutable_data();
    const py::list batch = py::list(py::make_tuple(py::make_tuple(sequence, tokens, T)));
    py::array_t<float> logits = run(Call(batch, cancel), [=](int layer, const Ops& ops) {
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
  // One forward call's arguments, held for its duration.
  class Call {
   public:
    Call(const py::iterable& batch, const CancelFlag* cancel) : cancel_(cancel) {
      for (const auto& item : batch) {
        auto [sequence, tokens, n_logits] = item.cast<std::tuple<SequencePtr, Tokens, int>>();
        if (tokens.ndim() != 1) throw ValueError("token ids must be one-dimensional");
        feeds_.push_back({&sequence->idle(), tokens.data(), static_cast<int>(tokens.size()), n_logits});
        n_logits_ += std::max(0, n_logits);
        tokens_.push_back(std::move(tokens));
        sequences_.push_back(std::move(sequence));
      }
      for (const auto& s : sequences_) s->in_use = true;
    }
    ~Call() {
      for (const auto& s : sequences_) s->in_use = false;
    }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    const std::vector<Feed>& feeds() const { return feeds_; }
    py::ssize_t n_logits() const { return n_logits_; }
    // Without the GIL; the handlers of signals run here when this is the main thread.
    bool should_stop() const {
      if (cancel_ && cancel_->value.load(std::memory_order_relaxed)) return true;
      py::gil_scoped_acquire locked;
      return PyErr_CheckSignals() != 0;
    }

   private:
    const CancelFlag* cancel_;
    std::vector<Feed> feeds_;
    std::vector<Tokens> tokens_;
    std::vector<SequencePtr> sequences_;
    py::ssize_t n_logits_ = 0;
  };

  py::array_t<float> run(const Call& call, const Model::Observer& observe) {
    py::array_t<float> logits({call.n_logits(), static_cast<py::ssize_t>(model_.config().vocab_size)});
    float* data = logits.mutable_data();
    in_turn(call, [&](const auto& poll) { model_.forward(call.feeds(), data, poll, observe); });
    return logits;
  }

  // Waits until no other thread computes with this model, then calls compute(poll) without the GIL.
  template <class Compute>
  void in_turn(const Call& call, Compute compute) {
    try {
      py::gil_scoped_release unlocked;
      const std::function<bool()> poll = [&] { return call.should_stop(); };
      std::unique_lock turn(turn_, std::defer_lock);
      while (!turn.try_lock_for(std::chrono::milliseconds(10))) {
        if (poll()) throw Cancelled();
      }
      if (poll()) throw Cancelled();  // a short call may end before the pool asks for the first time
      compute(poll);
    } catch (const Cancelled&) {
      if (PyErr_Occurred()) throw py::error_already_set();  // a signal handler raised: KeyboardInterrupt
      throw;
    }
  }

  py::dict tensors_;
  Model model_;
  std::timed_mutex turn_;
};

}  // namespace

void bind_model(py::module_& m) {
  py::class_<CancelFlag>(m, "CancelFlag")
      .def(py::init<>())
      .def("set", [](CancelFlag& f) { f.value = true; })
      .def("clear", [](CancelFlag& f) { f.value = false; })
      .def("is_set", [](const CancelFlag& f) { return f.value.load(); });

  py::class_<BoundSequence, SequencePtr>(m, "Sequence")
      .def_property_readonly("length", [](const BoundSequence& s) { return s.sequence.length(); })
      .def_property_readonly("n_bytes", [](const BoundSequence& s) { return s.sequence.n_bytes(); })
      .def("fork",
           [](BoundSequence& s) { return std::make_shared<BoundSequence>(BoundSequence{s.idle().fork()}); })
      .def("rewind", [](BoundSequence& s, int length) { s.idle().rewind(length); }, py::arg("length"));

  py::class_<Screened>(m, "Screened").def_property_readonly("is_finite", [](const Screened& screened) {
    const auto& approx = screened.screen.approx;  // a NaN before lm_head makes all of them NaN
    return !approx.empty() && std::isfinite(approx[0]);
  });

  py::class_<BoundModel>(m, "Model")
      .def(py::init<const py::dict&, py::dict, int, const std::string&, const std::string&>(),
           py::arg("config"), py::arg("tensors"), py::kw_only(), py::arg("threads"),
           py::arg("precision") = "exact", py::arg("isa") = "")
      .def_property_readonly("isa", [](BoundModel& b) { return b.model().kernels().name; })
      .def_property(
          "threads", [](BoundModel& b) { return b.model().pool().size(); }, &BoundModel::set_threads)
      .def_property_readonly("kv_bytes_per_token",
                             [](BoundModel& b) { return KvLayout(b.model().config()).bytes_per_token(); })
      .def_property_readonly("kv_block_tokens", [](BoundModel&) { return kBlockTokens; })
      .def_property_readonly("bytes_touched", [](BoundModel& b) { return b.model().bytes_touched(); })
      .def("sequence", &BoundModel::sequence)
      .def("forward", &BoundModel::forward, py::arg("batch"), py::arg("cancel") = py::none())
      .def_property_readonly("n_vocab", [](BoundModel& b) { return b.model().config().vocab_size; })
      .def_property_readonly("has_screen", [](BoundModel& b) { return b.model().has_screen(); })
      .def("forward_screened", &BoundModel::forward_screened, py::arg("sequence"), py::arg("tokens"),
           py::arg("cancel") = py::none(), py::keep_alive<0, 1>())
      .def("choose", &BoundModel::choose, py::arg("screened"), py::arg("sampler"), py::arg("position"))
      .def("trace", &BoundModel::trace, py::arg("sequence"), py::arg("tokens"),
           py::arg("cancel") = py::none());
}

}  // namespace ossnb
