#include "choice/choice.h"

#include <cmath>

#include "base/float_state.h"

namespace ossnb {

Choice choose_from(const float* logits, const Chooser& chooser) {
  const PlainFloats plain;
  Choice choice;
  choice.token = chooser.sampler->token(logits, chooser.position, chooser.mask);
  choice.is_finite = std::isfinite(logits[choice.token]);
  if (chooser.wants_logprobs()) {
    Logprobs found = chooser.sampler->logprobs(logits, choice.token, chooser.n_top, chooser.mask);
    choice.logprob = found.token;
    choice.top = std::move(found.top);
  }
  if (chooser.keeps_logits) choice.logits.assign(logits, logits + chooser.sampler->n_vocab());
  return choice;
}

}  // namespace ossnb
