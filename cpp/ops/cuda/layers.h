// The layers of a pass on the card: each step puts its kernels on the stream and returns at once.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "ops/cuda/host_experts.h"
#include "ops/cuda/kernels.h"
#include "ops/cuda/pass.h"
#include "ops/cuda/weights.h"

namespace ossnb::cuda {

// What the steps share.
struct CudaContext {
  const std::shared_ptr<const Card> card;
  const Config& c;
  const CardWeights& w;
  const Kernels& kernels;
  CudaKvStore& store;
  const int n_terms;                    // of activations that meet integer weights
  HostExperts* host = nullptr;          // of the layers whose experts are not on the card; null: none
  VisitingExperts* visitors = nullptr;  // a place for these layers' experts, where there is `host`

  int n_queries_per_kv() const { return c.num_attention_heads / c.num_key_value_heads; }
};

// An array that grows and never shrinks; what it holds is lost when it grows.
template <class T>
class Room {
 public:
  T* reserve(const std::shared_ptr<const Card>& card, std::size_t n) {
    if (n > array_.size()) {
      array_ = {};
      array_ = DeviceArray<T>(card, n);
    }
    return array_.data();
  }
  void upload(std::span<const T> from) { array_.upload(from); }
  void zero() { array_.fill_bytes(0); }
  T* data() { return array_.data(); }
  const T* data() const { return array_.data(); }
  const DeviceArray<T>& array() const { return array_; }
  DeviceArray<T>& array() { return array_; }

 private:
  DeviceArray<T> array_;
};

// y = m x for matrices that share their inputs.
struct Product {
  const CardMatrix* m;
  End end;
  float* out;
  int out_stride;
};

class Layers {
 public:
  explicit Layers(const CudaContext& context) : cuda_(context) {}

  void begin(const Pass& pass);  // room, and the embeddings
  void attn_in(int layer);
  void keep_wanted_rows();
  void attend(int layer);
  void attn_out(int layer);
  void route(int layer);
  void experts(int layer);
  std::function<bool()> poll;  // asked while the CPU computes a layer's experts

  int n_rows() const { return rows_->n; }
  const float* x() const { return x_; }
  std::uint64_t n_bytes() const { return n_bytes_; }   // of weights that the calls since begin() read
  void set_n_bytes(std::uint64_t n) { n_bytes_ = n; }  // where a graph made them
  // All addresses that launches have in their arguments, but for the weights'.
  std::vector<const void*> places() const;

  // Products of any number of tokens; `norm` of x, or null. Used by the head, too.
  void multiply(const std::vector<Product>& products, const float* x, const bf16* norm, int n_tokens,
                int layer);

  // For traces: [rows, .] each, after the card has got there.
  void read_hidden(float* out) const;
  void read_router_logits(float* out) const;
  void read_experts(std::int32_t* experts, float* weights) const;

 private:
  // A layer's keys and values: which part of the blocks has them, and where.
  void put_kv(int layer, RowTable* rows, KvPlace* kv) const;
  DenseArgs dense_args(int layer) const;
  void launch_dense(Dense format, DenseArgs args, int n_blocks);
  void attend_singles(AttendArgs args);
  bool is_mxfp4() const { return cuda_.w.is_mxfp4(); }
  void multiply_experts(const CardExperts& m, ExpertArgs args);
  std::uint64_t expert_bytes(const LayerExperts& experts) const;
  bool is_with_host(int layer) const { return cuda_.host && cuda_.host->has(layer); }
  bool is_by_host(int layer) const;
  void experts_by_host(int layer);

  const CudaContext& cuda_;
  const Pass* pass_ = nullptr;
  const PassRows* rows_ = nullptr;
  Room<float>* x_at_ = nullptr;  // of all rows, or of the wanted ones
  float *x_ = nullptr, *q_ = nullptr;
  std::uint64_t n_bytes_ = 0;

  Room<float> x_room_, q_room_, wanted_x_, wanted_q_, norm_, act_, expert_out_, router_, expert_weight_;
  Room<float> scores_, tops_, sums_, values_;
  Room<unsigned char> quant_, act_quant_;
  Room<std::int32_t> chosen_, pairs_;
  Room<ExpertWork> work_;
  Room<unsigned> arrived_;  // zero between kernels
};

}  // namespace ossnb::cuda
