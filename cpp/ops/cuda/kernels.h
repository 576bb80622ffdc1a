// The kernels by name. A card's machine code must have all of them.
#pragma once

#include <memory>

#include "ops/cuda/args.h"
#include "ops/cuda/kernel.h"

namespace ossnb::cuda {

// A kernel in several forms: for one, two and four tokens, and for many.
struct DenseKernels {
  Kernel<DenseArgs> one, two, four, many;
};

struct AttendKernels {
  Kernel<AttendArgs> whole, scores, pieces, many;
};

struct ExpertKernels {
  Kernel<ExpertArgs> one, many;
};

struct ScreenKernels {
  Kernel<ScreenArgs> begin, one, four, leader, candidates, best;
};

struct Kernels {
  explicit Kernels(const std::shared_ptr<const Card>& card)
      : embed(card, "embed"),
        gather(card, "gather"),
        norm(card, "norm_rows"),
        combine(card, "combine"),
        bf16{{card, "dense_bf16_1"}, {card, "dense_bf16_2"}, {card, "dense_bf16_4"}, {card, "dense_bf16_32"}},
        bf12{{card, "dense_bf12_1"}, {card, "dense_bf12_2"}, {card, "dense_bf12_4"}, {card, "dense_bf12_32"}},
        q8{{card, "dense_q8_1"}, {card, "dense_q8_2"}, {card, "dense_q8_4"}, {card, "dense_q8_32"}},
        attend_f32{{card, "attend_whole_f32"},
                   {card, "attend_scores_f32"},
                   {card, "attend_pieces_f32"},
                   {card, "attend_many_f32"}},
        attend_bf16{{card, "attend_whole_bf16"},
                    {card, "attend_scores_bf16"},
                    {card, "attend_pieces_bf16"},
                    {card, "attend_many_bf16"}},
        attend_int8{{card, "attend_whole_int8"},
                    {card, "attend_scores_int8"},
                    {card, "attend_pieces_int8"},
                    {card, "attend_many_int8"}},
        route(card, "route"),
        sort_pairs(card, "sort_pairs"),
        exact{{card, "experts_exact_1"}, {card, "experts_exact_32"}},
        fast{{card, "experts_fast_1"}, {card, "experts_fast_32"}},
        experts_bf16(card, "experts_bf16"),
        pick_likeliest(card, "pick_likeliest"),
        pick_winner(card, "pick_winner"),
        screen{{card, "screen_begin"},  {card, "screen_1"},          {card, "screen_4"},
               {card, "screen_leader"}, {card, "screen_candidates"}, {card, "screen_best"}} {}

  const DenseKernels& dense(Dense format) const {
    return format == Dense::bf16 ? bf16 : format == Dense::bf12 ? bf12 : q8;
  }
  const AttendKernels& attend(KvFormat format) const {
    return format == KvFormat::float32 ? attend_f32 : format == KvFormat::bf16 ? attend_bf16 : attend_int8;
  }
  const ExpertKernels& experts(int n_terms) const { return n_terms == 3 ? exact : fast; }

  Kernel<EmbedArgs> embed;
  Kernel<GatherArgs> gather;
  Kernel<NormArgs> norm;
  Kernel<CombineArgs> combine;
  DenseKernels bf16, bf12, q8;
  AttendKernels attend_f32, attend_bf16, attend_int8;
  Kernel<RouteArgs> route;
  Kernel<SortArgs> sort_pairs;
  ExpertKernels exact, fast;
  Kernel<ExpertArgs> experts_bf16;
  Kernel<PickArgs> pick_likeliest, pick_winner;
  ScreenKernels screen;
};

}  // namespace ossnb::cuda
