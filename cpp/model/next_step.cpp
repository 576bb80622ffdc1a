#include "model/next_step.h"

#include <algorithm>

namespace ossnb {

namespace {

// Whether a token's choice is told by the temperature and the noise alone.
bool is_plain(const Chooser& chooser) {
  return !chooser.mask && !chooser.wants_logprobs() && !chooser.sampler->needs_all_logits();
}

// Whether the last block has a place for another token, and is the sequence's own.
bool has_place(const Sequence& sequence) {
  const KvStore& store = sequence.store();
  return sequence.length() % store.block_tokens() != 0 && store.references(sequence.blocks().back()) == 1;
}

}  // namespace

NextStep::NextStep(const std::vector<Feed>& feeds, const std::vector<Chooser>& choosers,
                   const std::vector<Choice>& choices) {
  if (feeds.empty() || feeds.size() != choosers.size()) return;
  n_changes_ = feeds.front().sequence->store().n_changes();
  std::vector<Row> rows;
  for (std::size_t i = 0; i < feeds.size(); ++i) {
    const Sequence& sequence = *feeds[i].sequence;
    if (feeds[i].n_wanted != 1 || !is_plain(choosers[i]) || !choices[i].is_finite || !has_place(sequence))
      return;
    const SamplerSettings& settings = choosers[i].sampler->settings();
    rows.push_back({.blocks = sequence.blocks(),
                    .length = sequence.length(),
                    .token = choices[i].token,
                    .temperature = settings.temperature,
                    .seed = settings.seed,
                    .position = choosers[i].position + 1});
  }
  rows_ = std::move(rows);
}

bool NextStep::is(const std::vector<Feed>& feeds, const std::vector<Chooser>& choosers) const {
  if (!is_known() || feeds.size() != rows_.size() || choosers.size() != rows_.size()) return false;
  if (feeds.front().sequence->store().n_changes() != n_changes_) return false;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const Row& row = rows_[i];
    const Feed& feed = feeds[i];
    const Chooser& chooser = choosers[i];
    const SamplerSettings& settings = chooser.sampler->settings();
    const bool goes_on = feed.n_tokens == 1 && feed.n_wanted == 1 && feed.tokens[0] == row.token &&
                         feed.sequence->length() == row.length && feed.sequence->blocks() == row.blocks;
    const bool chooses_so = is_plain(chooser) && chooser.position == row.position &&
                            settings.temperature == row.temperature && settings.seed == row.seed;
    if (!goes_on || !chooses_so) return false;
  }
  return true;
}

std::vector<Feed> NextStep::feeds(const std::vector<Feed>& before) const {
  std::vector<Feed> next;
  next.reserve(rows_.size());
  for (std::size_t i = 0; i < rows_.size(); ++i) next.push_back({before[i].sequence, &rows_[i].token, 1, 1});
  return next;
}

std::vector<Chooser> NextStep::choosers(const std::vector<Chooser>& before) const {
  std::vector<Chooser> next = before;
  for (Chooser& chooser : next) ++chooser.position;
  return next;
}

}  // namespace ossnb
