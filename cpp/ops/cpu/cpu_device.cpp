// The forward pass's steps on the CPU: each cuts its work into tasks for the thread pool and calls the
// kernels. Every output element is computed whole by one task, so neither the number of threads nor the mix
// of rows can change a bit.
#include "ops/cpu/cpu_device.h"

#include "base/float_state.h"
#include "data/rope.h"
#include "ops/cpu/activations.h"
#include "ops/cpu/attention.h"
#include "ops/cpu/dense.h"
#include "ops/cpu/experts.h"
#include "ops/cpu/head.h"

namespace ossnb {

namespace {

class CpuOps final : public Ops {
 public:
  CpuOps(const CpuContext& cpu, const PackedCopies& copies)
      : cpu_(cpu), rope_(cpu.c), head_(cpu, copies.of(cpu.w.lm_head)) {
    for (const LayerWeights& layer : cpu.w.layers) dense_.emplace_back(cpu_, copies, layer);
  }

  void begin(const Batch& batch) override {
    a_.begin(cpu_, batch);
    for (int t = 0; t < a_.T; ++t) rope_.angles(batch.positions[t], a_.cos.row(t), a_.sin.row(t));
  }
  void embed() override {
    const std::size_t D = cpu_.c.hidden_size;
    for (int t = 0; t < a_.T; ++t) {
      const bf16* row = cpu_.w.embed_tokens + a_.batch->tokens[t] * D;
      std::transform(row, row + D, a_.x.row(t), bf16_to_f32);
    }
    a_.n_bytes += a_.T * D * sizeof(bf16);
  }
  void attn_in(int layer) override { ossnb::attn_in(cpu_, a_, dense_[layer], layer); }
  void keep_wanted_rows() override { a_.keep_wanted_rows(); }
  void attend(int layer) override { ossnb::attend(cpu_, a_, layer); }
  void attn_out(int layer) override { ossnb::attn_out(cpu_, a_, dense_[layer]); }
  void route(int layer) override { ossnb::route(cpu_, a_, layer); }
  void experts(int layer) override { run_experts(cpu_, a_, layer); }
  void lm_head(float* logits) override { a_.n_bytes += head_.logits(a_.x, logits); }
  void choose(const std::vector<Chooser>& choosers, Choice* choices) override {
    a_.n_bytes += head_.choose(a_.x, choosers, choices);
  }

  void read_hidden(float* out) const override { copy(a_.x, out); }
  void read_router_logits(float* out) const override { copy(a_.router, out); }
  void read_experts(std::int32_t* experts, float* weights) const override {
    copy(a_.chosen, experts);
    copy(a_.expert_weight, weights);
  }
  std::uint64_t bytes_touched() const override { return a_.n_bytes; }

 private:
  template <class T>
  void copy(const Rows<T>& rows, T* out) const {
    std::copy_n(rows.data(), a_.T * rows.width(), out);
  }

  const CpuContext& cpu_;
  const Rope rope_;
  std::vector<DenseLayer> dense_;
  Head head_;
  Activations a_;
};

class CpuDevice final : public Device {
 public:
  CpuDevice(const Config& config, const Weights& weights, const Weights::Find& find,
            const DeviceOptions& options)
      : pool_(options.n_threads),
        store_(std::make_shared<CpuKvStore>(config, options.kv)),
        cpu_{.c = config,
             .w = weights,
             .k = kernels::choose(options.isa.c_str()),
             .terms = options.precision == Precision::fast ? Terms::one : Terms::three,
             .store = *store_,
             .pool = polled(pool_, options.poll)},
        ops_(cpu_, PackedCopies(config, find)) {
    pool_.set_poll(nullptr);
  }

  Ops& ops() override { return ops_; }
  std::shared_ptr<KvStore> kv() override { return store_; }
  void set_poll(std::function<bool()> poll) override { pool_.set_poll(std::move(poll)); }
  int threads() const override { return pool_.size(); }
  void set_threads(int n) override { cpu_.set_threads(n); }
  std::string isa() const override { return cpu_.k.name; }

 private:
  static ThreadPool& polled(ThreadPool& pool, std::function<bool()> poll) {
    pool.set_poll(std::move(poll));
    return pool;
  }

  ThreadPool pool_;
  const std::shared_ptr<CpuKvStore> store_;
  CpuContext cpu_;
  CpuOps ops_;
};

}  // namespace

DeviceKind cpu_device() {
  return {.name = "cpu",
          .make = [](const Config& config, const Weights& weights, const Weights::Find& find,
                     const DeviceOptions& options) -> std::unique_ptr<Device> {
            const PlainFloats plain;
            return std::make_unique<CpuDevice>(config, weights, find, options);
          },
          .packings = cpu_packings};
}

}  // namespace ossnb
