#include "ops/cuda/layers.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "kernels/kernels.h"

namespace ossnb::cuda {

namespace {

constexpr int kWholeKeys = 256;                              // that one block takes, with all its pieces
constexpr std::size_t kScoreFloats = std::size_t{32} << 20;  // of rows whose pieces are worked at together

int n_of(int n, int each) { return (n + each - 1) / each; }

template <class T>
void download(const Room<T>& from, std::size_t n, T* to) {
  from.array().download({to, n});
}

}  // namespace

void Layers::begin(const Pass& pass) {
  const Config& c = cuda_.c;
  const auto& card = cuda_.card;
  pass_ = &pass;
  rows_ = &pass.all();
  n_bytes_ = 0;
  const std::size_t T = rows_->n, A = c.num_experts_per_tok, pairs = T * A;
  const std::size_t D = c.hidden_size, I = c.intermediate_size, Q = c.q_size(), W = pass.wanted().n;
  x_ = x_room_.reserve(card, T * D);
  x_at_ = &x_room_;
  q_ = q_room_.reserve(card, T * Q);
  wanted_x_.reserve(card, W * D);
  wanted_q_.reserve(card, W * Q);
  norm_.reserve(card, T * D);
  router_.reserve(card, T * c.num_local_experts);
  expert_weight_.reserve(card, pairs);
  chosen_.reserve(card, pairs);
  pairs_.reserve(card, pairs);
  work_.reserve(card, c.num_local_experts + n_of(static_cast<int>(pairs), kTileTokens));
  expert_out_.reserve(card, pairs * D);
  quant_.reserve(card, T * std::max(QuantRow(c.hidden_size, 3).bytes(), QuantRow(c.q_size(), 1).bytes()));
  act_quant_.reserve(card, pairs * QuantRow(c.intermediate_size, 3).bytes());
  if (!is_mxfp4()) act_.reserve(card, pairs * I);
  const std::size_t n_arrived = std::max(T * c.num_key_value_heads, T);
  if (n_arrived > arrived_.array().size()) {
    arrived_.reserve(card, n_arrived);
    arrived_.zero();
  }
  cuda_.kernels.embed.launch(rows_->n, 256, 0, {pass.embeddings(), x_, c.hidden_size});
  n_bytes_ += T * D * sizeof(bf16);
}

void Layers::put_kv(int layer, RowTable* rows, KvPlace* kv) const {
  const CudaKvStore& store = cuda_.store;
  *rows = rows_->table;
  rows->blocks = pass_->blocks(store.part_of(layer));
  *kv = {store.layout().part, store.place_in_part(layer)};
}

DenseArgs Layers::dense_args(int layer) const {
  DenseArgs args{};
  args.eps = cuda_.c.rms_norm_eps;
  put_kv(layer, &args.rows, &args.kv);
  return args;
}

void Layers::launch_dense(Dense format, DenseArgs args, int n_blocks) {
  const DenseKernels& kernels = cuda_.kernels.dense(format);
  if (args.n_tokens > kFewTokens) {
    const int threads = format == Dense::q8 ? 128 : kManyThreads;
    const std::size_t shared = format == Dense::q8 ? kDenseQ8ManyShared : kDenseManyShared;
    kernels.many.launch(
        {static_cast<unsigned>(n_blocks), static_cast<unsigned>(n_of(args.n_tokens, kTileTokens))}, threads,
        shared, args);
    return;
  }
  const std::size_t row = format == Dense::q8 ? QuantRow(args.k, 1).bytes() : args.k * sizeof(float);
  const auto shared = [&](int n) { return n * (row + 2 * kTileRows * sizeof(float)) + kDenseFewShared; };
  int most = args.n_tokens == 1 ? 1 : args.n_tokens == 2 ? 2 : 4;
  while (most > 1 && shared(most) > cuda_.card->info().shared_limit) most /= 2;
  const int n_tokens = args.n_tokens, half = args.kv.part.width / 2;
  const Kernel<DenseArgs>& kernel = most == 1 ? kernels.one : most == 2 ? kernels.two : kernels.four;
  for (int first = 0; first < n_tokens; first += most) {
    args.n_tokens = std::min(most, n_tokens - first);
    kernel.launch(n_blocks, 128, shared(most), args);
    args.x += most * static_cast<std::size_t>(args.k);
    args.quant += most * row;
    args.rows.positions += most;
    args.rows.first_block += most;
    args.rows.cos += most * half;
    args.rows.sin += most * half;
    for (DensePart& part : args.part) part.out += most * static_cast<std::size_t>(part.out_stride);
  }
}

void Layers::multiply(const std::vector<Product>& products, const float* x, const bf16* norm, int n_tokens,
                      int layer) {
  const int k = products.front().m->k;
  const bool has_q8 = std::any_of(products.begin(), products.end(),
                                  [](const Product& p) { return p.m->format == Dense::q8; });
  const bool has_floats = std::any_of(products.begin(), products.end(),
                                      [](const Product& p) { return p.m->format != Dense::q8; });
  const bool norms_itself = n_tokens <= kFewTokens;
  const float* normed = x;
  if (has_q8 || (norm && !norms_itself)) {
    if (norm && has_floats && !norms_itself) normed = norm_.data();
    cuda_.kernels.norm.launch(n_tokens, 512, (k + 4) * sizeof(float),
                              {.x = x,
                               .weight = norm,
                               .out = normed == x ? nullptr : norm_.data(),
                               .quant = has_q8 ? quant_.data() : nullptr,
                               .eps = cuda_.c.rms_norm_eps,
                               .width = k,
                               .n_terms = 1,
                               .apart = true});
  }
  std::map<Dense, std::vector<Product>> by_format;
  for (const Product& product : products) by_format[product.m->format].push_back(product);
  for (const auto& [format, some] : by_format) {
    DenseArgs args = dense_args(layer);
    args.x = normed;
    args.quant = quant_.data();
    args.norm = normed == x && format != Dense::q8 ? norm : nullptr;
    args.k = k;
    args.n_tokens = n_tokens;
    int n_blocks = 0;
    for (const Product& p : some) {
      args.part[args.n_parts++] = {p.m->m, p.end, p.out, p.out_stride};
      n_blocks += n_of(p.m->m.rows, kTileRows);
      n_bytes_ += p.m->n_bytes;
    }
    launch_dense(format, args, n_blocks);
  }
}

void Layers::attn_in(int layer) {
  const CardLayer& w = cuda_.w.layers()[layer];
  const int Q = cuda_.c.q_size();
  multiply({{&w.q, End::query, q_, Q}, {&w.k, End::key, nullptr, 0}, {&w.v, End::value, nullptr, 0}}, x_,
           w.input_layernorm, rows_->n, layer);
}

void Layers::keep_wanted_rows() {
  const PassRows& wanted = pass_->wanted();
  if (wanted.n == rows_->n) return;
  const auto keep = [&](float*& from, float* to, int width) {
    cuda_.kernels.gather.launch(wanted.n, 256, 0, {pass_->wanted_rows(), from, to, width});
    from = to;
  };
  keep(x_, wanted_x_.data(), cuda_.c.hidden_size);
  keep(q_, wanted_q_.data(), cuda_.c.q_size());
  rows_ = &wanted;
  x_at_ = &wanted_x_;
}

void Layers::attend(int layer) {
  const Config& c = cuda_.c;
  AttendArgs args{};
  put_kv(layer, &args.rows, &args.kv);
  args.q = q_;
  args.q_stride = c.q_size();
  args.arrived = arrived_.data();
  args.sinks = cuda_.w.layers()[layer].sinks;
  args.scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim));
  args.n_heads = c.num_attention_heads;
  args.n_kv_heads = c.num_key_value_heads;
  args.window = c.layer_is_sliding[layer] ? c.sliding_window : 0;

  const Attending& attending = rows_->attending;
  args.runs = attending.card_runs;
  const auto n_runs = static_cast<unsigned>(attending.runs.size());
  cuda_.kernels.attend(args.kv.part.format)
      .many.launch({static_cast<unsigned>(args.n_kv_heads), n_runs}, kAttendThreads, kAttendManyShared, args);
  args.singles = attending.card_singles;
  if (!attending.singles.empty()) attend_singles(args);
}

void Layers::attend_singles(AttendArgs args) {
  const auto& card = cuda_.card;
  const AttendKernels& kernels = cuda_.kernels.attend(args.kv.part.format);
  const int n_singles = static_cast<int>(rows_->attending.singles.size());
  const int G = cuda_.n_queries_per_kv(), Dh = cuda_.c.head_dim;
  const auto n_kv_heads = static_cast<unsigned>(args.n_kv_heads);
  args.n_keys = rows_->attending.n_keys;
  if (args.window > 0) args.n_keys = std::min(args.window, args.n_keys);
  if (args.n_keys <= kWholeKeys) {
    const std::size_t shared = sizeof(float) * G * (Dh + args.n_keys + 1);
    kernels.whole.launch({n_kv_heads, static_cast<unsigned>(n_singles)}, kAttendThreads, shared, args);
    return;
  }
  args.n_keys = rows_->attending.n_keys;
  args.n_pieces = n_of(args.n_keys, kernels::kPieceKeys);
  const std::size_t per_row = static_cast<std::size_t>(args.n_heads) * args.n_keys;
  const int most = static_cast<int>(std::clamp<std::size_t>(kScoreFloats / per_row, 1, n_singles));
  const std::size_t pieces = static_cast<std::size_t>(most) * args.n_heads * args.n_pieces;
  args.scores = scores_.reserve(card, most * per_row);
  args.tops = tops_.reserve(card, pieces);
  args.sums = sums_.reserve(card, pieces);
  args.values = values_.reserve(card, pieces * Dh);
  for (int first = 0; first < n_singles; first += most) {
    const Shape grid(n_kv_heads, static_cast<unsigned>(std::min(most, n_singles - first)),
                     static_cast<unsigned>(args.n_pieces));
    kernels.scores.launch(grid, kAttendThreads, sizeof(float) * G * Dh, args);
    kernels.pieces.launch(grid, kAttendThreads, sizeof(float) * (G * (kernels::kPieceKeys + 2) + 4), args);
    args.singles += most;
  }
}

void Layers::attn_out(int layer) {
  if (rows_->n == 0) return;
  const CardLayer& w = cuda_.w.layers()[layer];
  multiply({{&w.o, End::add, x_, cuda_.c.hidden_size}}, q_, nullptr, rows_->n, layer);
}

// Whether the CPU computes a layer's experts: where the host keeps them, and the rows are too few to bring
// them over.
bool Layers::is_by_host(int layer) const {
  return is_with_host(layer) && !cuda_.visitors->pays_for(rows_->n);
}

void Layers::experts_by_host(int layer) {
  const Activations& a = cuda_.host->run(x_at_->array(), rows_->n, layer, poll);
  const std::size_t n = rows_->n;
  router_.upload({a.router.data(), n * a.router.width()});  // for traces
  chosen_.upload({a.chosen.data(), n * a.chosen.width()});
  expert_weight_.upload({a.expert_weight.data(), n * a.expert_weight.width()});
  n_bytes_ += a.n_bytes;
}

void Layers::route(int layer) {
  if (is_by_host(layer)) return;  // with the experts
  const Config& c = cuda_.c;
  const CardLayer& w = cuda_.w.layers()[layer];
  const int D = c.hidden_size, E = c.num_local_experts;
  const RouteArgs args = {.x = x_,
                          .norm = w.post_attention_layernorm,
                          .weight = w.router_weight,
                          .bias = w.router_bias,
                          .normed = is_mxfp4() ? nullptr : norm_.data(),
                          .quant = is_mxfp4() ? quant_.data() : nullptr,
                          .logits = router_.data(),
                          .chosen = chosen_.data(),
                          .expert_weight = expert_weight_.data(),
                          .arrived = arrived_.data(),
                          .eps = c.rms_norm_eps,
                          .width = D,
                          .n_experts = E,
                          .n_chosen = c.num_experts_per_tok,
                          .n_terms = cuda_.n_terms};
  cuda_.kernels.route.launch({static_cast<unsigned>(n_of(E, kRouterRows)), static_cast<unsigned>(rows_->n)},
                             128, (D + 4) * sizeof(float) + kRouterRows * D * sizeof(bf16), args);
  n_bytes_ += static_cast<std::uint64_t>(E) * (D + 1) * sizeof(bf16);
}

void Layers::multiply_experts(const CardExperts& m, ExpertArgs args) {
  const int n_pairs = rows_->n * cuda_.c.num_experts_per_tok;
  args.blocks = m.blocks;
  args.scales = m.scales;
  args.in_out = m.in_out;
  args.bias = m.bias;
  args.rows = m.rows;
  args.k = m.k;
  args.chosen = chosen_.data();
  if (!m.blocks) {
    cuda_.kernels.experts_bf16.launch(
        {static_cast<unsigned>(n_of(m.rows, 2 * kExpertThreads)), static_cast<unsigned>(n_pairs)},
        kExpertThreads, m.k * sizeof(float), args);
    return;
  }
  const ExpertKernels& kernels = cuda_.kernels.experts(cuda_.n_terms);
  const auto n_tiles = static_cast<unsigned>(n_of(m.rows, kTileRows));
  if (rows_->n <= kFewTokens) {
    kernels.one.launch({n_tiles, static_cast<unsigned>(n_pairs)}, kExpertThreads,
                       QuantRow(m.k, cuda_.n_terms).bytes() + kExpertOneShared, args);
    return;
  }
  args.pairs = pairs_.data();
  args.work = work_.data();
  const int most_work = cuda_.c.num_local_experts + n_pairs / kTileTokens;
  kernels.many.launch({n_tiles, static_cast<unsigned>(std::min(most_work, n_pairs))}, kExpertThreads,
                      cuda_.n_terms == 3 ? kExpertExactManyShared : kExpertFastManyShared, args);
}

void Layers::experts(int layer) {
  if (rows_->n == 0) return;
  if (is_by_host(layer)) return experts_by_host(layer);
  const Config& c = cuda_.c;
  const LayerExperts& w =
      is_with_host(layer) ? cuda_.visitors->bring(layer, poll) : cuda_.w.layers()[layer].experts;
  const int n_pairs = rows_->n * c.num_experts_per_tok, A = c.num_experts_per_tok;
  if (is_mxfp4() && rows_->n > kFewTokens) {
    const int most_work = std::min(c.num_local_experts + n_pairs / kTileTokens, n_pairs);
    cuda_.kernels.sort_pairs.launch(1, 1024, 2 * c.num_local_experts * sizeof(int),
                                    {.chosen = chosen_.data(),
                                     .pairs = pairs_.data(),
                                     .work = work_.data(),
                                     .n_pairs = n_pairs,
                                     .n_experts = c.num_local_experts,
                                     .most_work = most_work});
  }
  ExpertArgs up{};
  up.x_quant = quant_.data();
  up.x = norm_.data();
  up.act_quant = act_quant_.data();
  up.out = act_.data();
  up.pairs_of_x = A;
  up.is_gate_up = true;
  up.limit = c.swiglu_limit;
  up.alpha = c.swiglu_alpha;
  multiply_experts(w.gate_up, up);
  ExpertArgs down{};
  down.x_quant = act_quant_.data();
  down.x = act_.data();
  down.out = expert_out_.data();
  down.pairs_of_x = 1;
  multiply_experts(w.down, down);
  cuda_.kernels.combine.launch(
      {static_cast<unsigned>(n_of(c.hidden_size, 256)), static_cast<unsigned>(rows_->n)}, 256, 0,
      {.y = expert_out_.data(),
       .weight = expert_weight_.data(),
       .x = x_,
       .width = c.hidden_size,
       .n_chosen = A});
  n_bytes_ += expert_bytes(w);
}

// Which experts were chosen is known to the card alone. With one row they are all different; with more, the
// expected number of different ones stands for it.
std::uint64_t Layers::expert_bytes(const LayerExperts& experts) const {
  const double E = cuda_.c.num_local_experts, A = cuda_.c.num_experts_per_tok;
  double missed = 1;  // an expert's chance that no row has chosen it
  for (int row = 0; row < rows_->n; ++row) missed *= 1 - A / E;
  const double different = E * (1 - missed);
  return static_cast<std::uint64_t>(different *
                                    static_cast<double>(experts.gate_up.n_bytes + experts.down.n_bytes));
}

std::vector<const void*> Layers::places() const {
  return {x_room_.data(), q_room_.data(),     wanted_x_.data(), wanted_q_.data(),      norm_.data(),
          act_.data(),    expert_out_.data(), router_.data(),   expert_weight_.data(), scores_.data(),
          tops_.data(),   sums_.data(),       values_.data(),   quant_.data(),         act_quant_.data(),
          chosen_.data(), pairs_.data(),      work_.data(),     arrived_.data(),       pass_->place()};
}

void Layers::read_hidden(float* out) const {
  download(*x_at_, static_cast<std::size_t>(rows_->n) * cuda_.c.hidden_size, out);
  cuda_.card->wait();
}

void Layers::read_router_logits(float* out) const {
  download(router_, static_cast<std::size_t>(rows_->n) * cuda_.c.num_local_experts, out);
  cuda_.card->wait();
}

void Layers::read_experts(std::int32_t* experts, float* weights) const {
  const std::size_t n = static_cast<std::size_t>(rows_->n) * cuda_.c.num_experts_per_tok;
  download(chosen_, n, experts);
  download(expert_weight_, n, weights);
  cuda_.card->wait();
}

}  // namespace ossnb::cuda
