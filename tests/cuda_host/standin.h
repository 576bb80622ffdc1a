// The parts of the stand-in for a CUDA driver: what its environment says (settings.cpp), and memory
// (memory.cpp). The other files have the driver's functions over them.
//
// Environment, each read when the library is loaded; standin_set(NAME without prefix, value) changes it
// later:
//   OSSNB_STANDIN_CARDS=1  _NAME  _CAPABILITY=8.9  _MEMORY=8e9 (bytes)  _VERSION=13000
//   _SEED=0     of the order of threads and blocks; 0: last in, first out
//   _LAZY       1: work waits on the stream until somebody waits for it; 0: it runs at once. Else odd seeds
//   are lazy _SLOW_MS=0  what is recorded on a stream is not done for so long _FAULT=cuMemAlloc:3:2,...   the
//   third call of this function from now fails with CUresult 2 _VANISH=n   after n more calls the card is
//   gone: everything fails with CUresult 999
#pragma once

#include <cstdint>
#include <string>

#include "ops/cuda/driver.h"

namespace standin {

using ossnb::cuda::Result;

struct Settings {
  int n_cards = 1;
  std::string name = "Stand-in";
  int capability = 89;
  std::size_t memory = 8'000'000'000;
  int version = 13000;
  unsigned seed = 0;
  int lazy = -1;
  int slow_ms = 0;
  bool is_lazy() const { return lazy < 0 ? seed % 2 == 1 : lazy != 0; }
};
const Settings& settings();
bool set(const std::string& name, const std::string& value);  // false: unknown

// Counts a call of the function, and gives the error that was wished for it.
Result wished_fault(const char* function);
bool has_vanished();

// Errors after which a context answers every call with this error.
bool is_sticky(Result result);

// ---- memory -----------------------------------------------------------------------------------------------
// Of card `ordinal`; 0 where there is none. It ends at a page that cannot be read, and holds NaNs.
std::uint64_t allocate(int ordinal, std::size_t n_bytes);
bool release(std::uint64_t address);
void release_all(int ordinal);  // pinned memory, too
std::size_t allocated_bytes(int ordinal);
std::size_t n_allocations();
// Whether [address, address + n) lies in one allocation of that card.
bool is_on_card(int ordinal, std::uint64_t address, std::size_t n);

void* allocate_pinned(int ordinal, std::size_t n_bytes);
bool release_pinned(void* memory);
bool pin(int ordinal, void* memory, std::size_t n_bytes);
bool unpin(void* memory);
bool is_pinned(const void* memory, std::size_t n);
std::size_t n_pinned();

// Whether a word may be an address of this program that a card could not read.
bool is_foreign(std::uint64_t word);

}  // namespace standin
