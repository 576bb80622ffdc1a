// Blocks: their memory, their fibers, and whose turn it is.
#include <sys/mman.h>

#include <cstdio>
#include <exception>

#include "scheduler.h"

namespace hc {
namespace {

constexpr unsigned kMostIdleRounds = 2000;  // in which threads only waited for memory

void entry() {
  Worker& w = *worker;
  arrived(w.place);
  Run& run = *w.run;
  order_acquire(&run.begin);
  try {
    run.kernel(run.args);
  } catch (const std::exception& error) {
    fail(run, error.what());
  }
  me().is_over = true;
  w.n_idle_rounds = 0;
  leave(true);
  std::abort();
}

void resume(Worker& w, Fiber& f) {
  self = &f;
  ++w.switches;
  w.is_in_fiber = true;
  switch_places(w.place, f.place, false);
  if (overflowed(f.stack)) fail(*w.run, "a thread needs more stack than the harness has for it");
}

void set_up_block(Block& b, const Run& run) {
  const std::size_t page = 4096, bytes = (run.launch->shared_bytes + 15) / 16 * 16;
  const std::size_t room = (bytes + page - 1) / page * page;
  b.n_map_bytes = room + page;
  b.map = static_cast<char*>(
      mmap(nullptr, b.n_map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  mprotect(b.map + room, page, PROT_NONE);  // one byte too far is a fault
  b.shared = reinterpret_cast<unsigned char*>(b.map + room - bytes);
  b.fibers = static_cast<Fiber*>(std::calloc(run.n_threads, sizeof(Fiber)));
  b.warps = static_cast<Warp*>(std::calloc(run.n_threads / 32, sizeof(Warp)));
  for (unsigned t = 0; t < run.n_threads; ++t) b.fibers[t].stack = take_stack();
}

void tear_down_block(Block& b, unsigned n_threads) {
  munmap(b.map, b.n_map_bytes);
  for (unsigned t = 0; t < n_threads; ++t) give_stack(b.fibers[t].stack);
  std::free(b.fibers);
  std::free(b.warps);
}

dim3 place_in(const dim3& size, unsigned i) {
  return dim3(i % size.x, i / size.x % size.y, i / size.x / size.y);
}

void begin_block(Worker& w, Block& b, unsigned at) {
  const Run& run = *w.run;
  // NaN until written. By hand, so that no intercepted memset is involved.
  auto* words = reinterpret_cast<volatile std::uint64_t*>(b.shared);
  for (std::size_t i = 0; i < (run.launch->shared_bytes + 15) / 16 * 2; ++i) words[i] = ~std::uint64_t{0};
  b.meeting = {static_cast<int>(run.n_threads), 0, nullptr, 0};
  for (unsigned i = 0; i < run.n_threads / 32; ++i) b.warps[i].meeting = {32, 0, nullptr, 0};
  for (unsigned t = 0; t < run.n_threads; ++t) {
    Fiber& f = b.fibers[t];
    f.thread = place_in(run.launch->dim, t);
    f.block = place_in(run.launch->grid, at);
    f.lane = static_cast<int>(t % 32);
    f.warp = &b.warps[t / 32];
    f.shared = b.shared;
    f.in = &b;
    f.is_over = false;
    f.parity = 0;
    prepare(f.place, f.stack, entry);
    w.ready[w.n_ready++] = &f;
  }
}

void end_block(Run& run, Block& b) {
  for (unsigned t = 0; t < run.n_threads; ++t) {
    Fiber& f = b.fibers[t];
    if (!f.is_over && !has_failed(run)) {
      char words[200];
      std::snprintf(words, sizeof words,
                    "thread %u of block (%u, %u, %u) waits at %s for threads that never come", t, f.block.x,
                    f.block.y, f.block.z, f.waits_at);
      fail(run, words);
    }
    if (!f.is_over) abandon(f.stack);
  }
}

bool wake_yielded(Worker& w) {
  if (w.yielded == nullptr) return false;
  if (++w.n_idle_rounds > kMostIdleRounds) {
    fail(*w.run,
         "all threads that are left wait for memory that nobody changes (blocks that wait for each other "
         "need a "
         "cooperative launch)");
    return false;
  }
  for (; w.yielded != nullptr; w.yielded = w.yielded->next) w.ready[w.n_ready++] = w.yielded;
  return true;
}

void run_blocks(Worker& w, unsigned first, unsigned n) {
  Run& run = *w.run;
  for (unsigned i = 0; i < n; ++i) begin_block(w, w.blocks[i], run.order[first + i]);
  order_release(&run.begin);
  while (!has_failed(run) && (w.n_ready || wake_yielded(w))) {
    const std::size_t pick = run.launch->seed ? draw(w.n_ready) : w.n_ready - 1;
    Fiber* f = w.ready[pick];
    w.ready[pick] = w.ready[--w.n_ready];
    resume(w, *f);
  }
  w.n_ready = 0;
  w.yielded = nullptr;
  order_acquire(&run.end);
  for (unsigned i = 0; i < n; ++i) end_block(run, w.blocks[i]);
}

}  // namespace

void* work(void* shared_run) {
  Run& run = *static_cast<Run*>(shared_run);
  const FaultStack fault_stack;
  Worker w = {};
  w.run = &run;
  worker = &w;
  now = *run.launch;
#ifdef HC_TSAN
  w.place.tsan = __tsan_get_current_fiber();
#endif
  w.ready = static_cast<Fiber**>(std::malloc(sizeof(Fiber*) * run.n_threads * run.n_together));
  w.blocks = static_cast<Block*>(std::calloc(run.n_together, sizeof(Block)));
  for (unsigned i = 0; i < run.n_together; ++i) set_up_block(w.blocks[i], run);
  while (!has_failed(run)) {
    const unsigned first = __atomic_fetch_add(&run.next, run.n_together, __ATOMIC_RELAXED);
    if (first >= run.n_blocks) break;
    w.random = 0x9e3779b97f4a7c15ull * (run.launch->seed + 1) ^ (first + 1);
    run_blocks(w, first, run.n_together < run.n_blocks - first ? run.n_together : run.n_blocks - first);
  }
  for (unsigned i = 0; i < run.n_together; ++i) tear_down_block(w.blocks[i], run.n_threads);
  std::free(w.blocks);
  std::free(w.ready);
  __atomic_fetch_add(&run.switches, w.switches, __ATOMIC_RELAXED);
  worker = nullptr;
  self = nullptr;
  return nullptr;
}

}  // namespace hc
