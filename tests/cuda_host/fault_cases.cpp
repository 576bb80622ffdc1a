// What goes wrong on the stand-in: kernels that are wrong, functions that fail, a card that goes away, a
// fork.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/error.h"
#include "cases.h"
#include "smoke.h"

namespace ossnb::cuda::testing {
namespace {

using Clock = std::chrono::steady_clock;

// Sets something of the stand-in while it lives.
class Setting {
 public:
  Setting(const char* name, const std::string& value, const char* after = "") : name_(name), after_(after) {
    OSSNB_REQUIRE(stand_in()->set(name, value.c_str()) == 0);
  }
  ~Setting() { stand_in()->set(name_, after_); }
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;

 private:
  const char *name_, *after_;
};

void require_nothing_left(const std::string& after) {
  for (const char* what : {"allocations", "pinned", "handles"}) {
    const auto n = stand_in()->count(what);
    if (n != 0) throw std::logic_error(after + " leaves " + std::to_string(n) + " " + what);
  }
}

// A kernel that breaks the card: the error comes at the launch or at the wait, and then from every call.
// After the last user the card can be opened again.
void breaks(const std::function<void(const std::shared_ptr<Card>&)>& launch, const std::string& words) {
  {
    const auto card = Card::open(0);
    const DeviceArray<int> kept(card, 10);
    const PinnedArray<int> pinned(card, 10);
    const std::string message = message_of<DeviceLost>([&] {
      launch(card);
      card->wait();
    });
    OSSNB_REQUIRE(has(message, "cuda:0 (Stand-in) failed at") && has(message, "load the model again"));
    if (!has(stand_in()->words(), words)) throw std::logic_error(stand_in()->words());
    OSSNB_REQUIRE(!card->is_usable());
    OSSNB_REQUIRE(message_of<DeviceLost>([&] { card->memory_free(); }) == message);
    OSSNB_REQUIRE(message_of<DeviceLost>([&] { DeviceArray<int>(card, 1); }) == message);
    OSSNB_REQUIRE(has(message_of<DeviceUnavailable>([] { Card::open(0); }), "close that model"));
  }
  require_nothing_left("a broken card");
  Card::open(0)->wait();
}

void planted(Fault fault, const char* words) {
  breaks(
      [&](const auto& card) {
        DeviceArray<int> x(card, 512), out(card, 4);
        Kernel<SumArgs>(card, "smoke_sum").launch(2, 256, 32, {x.data(), out.data(), 4, 8, fault});
        card->wait();
      },
      words);
}

// Threads that read before others have written: some order shows it.
void forgotten_barrier() {
  const auto card = Card::open(0);
  const Kernel<SumArgs> kernel(card, "smoke_sum");
  DeviceArray<int> x(card, std::span<const int>(std::vector<int>(256 * 8, 1))), out(card, 8);
  kernel.launch(8, 256, 32, {x.data(), out.data(), 8, 8, kForgetsBarrier});
  const auto sums = read(*card, out);
  OSSNB_REQUIRE(sums != std::vector<int>(8, 256));
}

void racing_blocks() {  // only the race detector sees it
  const auto card = Card::open(0);
  DeviceArray<int> out(card, 8);
  Kernel<ShareArgs>(card, "smoke_share").launch(8, 32, 0, {out.data(), 1});
  card->wait();
}

void waits_for_ever() {
  breaks(
      [](const auto& card) {
        DeviceArray<unsigned> counts(card, 2), out(card, 20);
        counts.fill_bytes(0);
        Kernel<MeetArgs>(card, "smoke_meet")
            .launch(20, 32, 0, {counts.data(), counts.data() + 1, out.data(), 20});
        card->wait();
      },
      "need a cooperative launch");
}

void address_of_the_host() {
  breaks(
      [](const auto& card) {
        std::vector<float> host(100);
        DeviceArray<float> y(card, 100);
        Kernel<AxpyArgs>(card, "smoke_axpy").launch(1, 128, 0, {host.data(), y.data(), 1, 100});
        card->wait();
      },
      "gets an address of the host in byte 0");
}

void freed_memory() {
  breaks(
      [](const auto& card) {
        DeviceArray<float> y(card, 100);
        DeviceArray<float> x(card, 100);
        const AxpyArgs args = {x.data(), y.data(), 1, 100};
        x = {};
        Kernel<AxpyArgs>(card, "smoke_axpy").launch(1, 128, 0, args);
        card->wait();
      },
      "which is not its own");
}

void out_of_memory() {
  const Setting memory("MEMORY", "1000000", "8e9");
  const auto card = Card::open(0);
  const DeviceArray<char> first(card, 400000);
  try {
    DeviceArray<char> second(card, 700000);
    OSSNB_REQUIRE(false);
  } catch (const std::bad_alloc& error) {  // Python's MemoryError
    const auto& numbers = dynamic_cast<const DeviceMemoryError&>(error);
    OSSNB_REQUIRE(numbers.asked == 700000 && numbers.free == 600000 && numbers.total == 1000000);
    OSSNB_REQUIRE(
        has(error.what(), "cuda:0 (Stand-in) has no room for 700.0 kB: 600.0 kB of 1000.0 kB are free"));
  }
  OSSNB_REQUIRE(card->is_usable());
  const DeviceArray<char> third(card, 600000);
}

void cancelled_wait() {
  const auto card = Card::open(0);
  {
    const Setting slow("SLOW_MS", "100000", "0");
    int n_polls = 0;
    const auto begin = Clock::now();
    message_of<Cancelled>([&] { card->wait([&] { return ++n_polls == 5; }); });
    const auto took = Clock::now() - begin;
    OSSNB_REQUIRE(took >= std::chrono::milliseconds(45) && took < std::chrono::seconds(5));
  }
  card->wait([] { return true; });  // what is done at once needs no poll
}

// A short life of a card, with nearly every function.
void life() {
  const auto card = Card::open(0);
  const Kernel<AxpyArgs> kernel(card, "smoke_axpy");
  PinnedArray<float> host(card, 64);
  std::fill(host.begin(), host.end(), 1.0F);
  DeviceArray<float> x(card, 64), y(card, 64);
  x.upload(std::span<const float>(host.data(), 64));
  y.fill_bytes(0);
  const Graph graph =
      Graph::capture(card, [&] { kernel.launch(1, 64, 60 << 10, {x.data(), y.data(), 2, 64}); });
  Event begin(card, Event::Use::timing), end(card, Event::Use::timing);
  begin.record();
  graph.replay();
  kernel.launch(1, 64, 0, {x.data(), y.data(), 2, 64});
  x.copy(y, 64);
  x.download(std::span<float>(host.data(), 64));
  end.record();
  card->wait(end);
  OSSNB_REQUIRE(end.ms_since(begin) >= 0 && card->memory_free() > 0 && kernel.registers() > 0);
  for (const float v : host) OSSNB_REQUIRE(v == 4);
}

// Whether that life ended well. An error has to be one of ours, with words that say what was tried.
bool survives(const std::string& fault) {
  bool is_well = false;
  try {
    life();
    is_well = true;
  } catch (const DeviceFailure& error) {
    if (!has(error.what(), "cuda:0") && !has(error.what(), "card")) throw;
  } catch (const DeviceMemoryError& error) {
    if (!has(error.what(), "cuda:0 (")) throw std::logic_error(error.what());
  } catch (const std::logic_error& error) {
    throw std::logic_error(fault + ": " + error.what());
  }
  return is_well;
}

// What a driver may refuse without harm: it is only asked for words, or asked while something is closed.
bool may_fail(const std::string& function) {
  for (const char* part : {"Name", "String", "Attribute", "TotalMem", "Version", "Free", "Destroy", "Unload",
                           "Release", "Pop", "cuInit", "HostRegister", "HostUnregister", "Synchronize"}) {
    if (has(function, part)) return true;
  }
  return false;
}

void every_function_fails() {
  life();
  const std::vector<std::string> functions = {
#define OSSNB_NAME(name, symbol, ...) #name,
      OSSNB_CUDA_FUNCTIONS(OSSNB_NAME) OSSNB_CUDA_NEWER_FUNCTIONS(OSSNB_NAME)
#undef OSSNB_NAME
  };
  for (const std::string& function : functions) {
    for (const Result result : {kInvalidValue, kOutOfMemory, kLaunchFailed}) {
      bool is_well = false;
      int n = 1;
      for (; n <= 3 || !is_well; ++n) {
        const std::string fault = function + ":" + std::to_string(n) + ":" + std::to_string(result);
        const Setting setting("FAULT", fault);
        is_well = survives(fault);
        if (n == 1 && is_well && !may_fail(function)) throw std::logic_error(fault + " went unnoticed");
        if (n > 100) throw std::logic_error(fault + " is noticed for ever");
        stand_in()->set("FAULT", "");
        if (!may_fail(function)) require_nothing_left(fault);
      }
      stand_in()->set("RESET", "");
      if (!survives("no fault"))
        throw std::logic_error("after " + function + " the card does not work again");
    }
  }
}

void the_card_vanishes() {
  life();
  for (int n = 1;; ++n) {
    bool is_well = false;
    {
      const Setting setting("VANISH", std::to_string(n));
      is_well = survives("vanishes after " + std::to_string(n));
    }
    stand_in()->set("RESET", "");
    if (is_well) break;
    OSSNB_REQUIRE(n < 1000);
  }
  OSSNB_REQUIRE(survives("the card is back"));
}

// In the child nothing works and nothing hangs; the parent goes on.
void forked() {
  const auto card = Card::open(0);
  DeviceArray<int> x(card, std::span<const int>(std::vector<int>{1, 2, 3}));
  PinnedArray<int> pinned(card, 5);
  Event event(card);
  const Graph graph = Graph::capture(card, [&] { x.fill_bytes(0); });
  const pid_t child = fork();
  if (child == 0) {
    bool is_right = false;
    try {
      is_right = !card->is_usable() &&
                 has(message_of<DeviceLost>([&] { x.fill_bytes(0); }),
                     "the process that this one was forked from") &&
                 has(message_of<DeviceLost>([&] { card->wait(); }), "spawn") &&
                 has(message_of<DeviceUnavailable>([] { Card::open(0); }), "spawn") &&
                 list_cards().cards.empty() && has(list_cards().why_none, "spawn");
      x = {};
      pinned = {};
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
    }
    _exit(is_right ? 0 : 1);
  }
  int status = -1;
  const auto begin = Clock::now();
  while (waitpid(child, &status, WNOHANG) == 0 && Clock::now() - begin < std::chrono::seconds(20)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  OSSNB_REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  require_equal(read(*card, x), {1, 2, 3}, "x");
}

void unfit_cards() {
  {
    const Setting old("CAPABILITY", "6.1", "8.9");
    const CardList list = list_cards();
    OSSNB_REQUIRE(has(list.cards.at(0).why_not, "its compute capability is 6.1"));
    OSSNB_REQUIRE(has(message_of<DeviceUnavailable>([] { Card::open(0); }), "cannot be used: its compute"));
  }
  const Setting three("CARDS", "3", "1");
  const Setting fault("FAULT", "cuDevicePrimaryCtxRetain:2:46");
  const CardList list = list_cards({0, 1, 2});
  OSSNB_REQUIRE(list.cards.size() == 3 && list.cards[0].why_not.empty() && list.cards[2].why_not.empty());
  OSSNB_REQUIRE(has(list.cards[1].why_not,
                    "cuda:1 (Stand-in) is held by another program (CUDA_ERROR_DEVICE_UNAVAILABLE"));
  OSSNB_REQUIRE(Card::open(2)->info().ordinal == 2);
}

}  // namespace

void add_fault_cases(Cases& cases) {
  if (stand_in() == nullptr) return;  // a card's own driver fails when it likes
  const bool sees_addresses =
      !stand_in()->count("sanitized");  // a sanitizer reports these, and ends the program
  cases.push_back({"fault: misses_barrier", [] { planted(kMissesBarrier, "waits at __syncthreads"); }});
  cases.push_back({"fault: waits_for_ever", waits_for_ever});
  if (sees_addresses) {
    cases.push_back({"fault: writes_too_far", [] { planted(kWritesTooFar, "which is not its own"); }});
    cases.push_back(
        {"fault: writes_too_far_shared", [] { planted(kWritesTooFarShared, "which is not its own"); }});
    cases.push_back({"fault: address_of_the_host", address_of_the_host});
    cases.push_back({"fault: freed_memory", freed_memory});
  }
  cases.push_back({"fault: out of memory", out_of_memory});
  cases.push_back({"fault: cancelled wait", cancelled_wait});
  cases.push_back({"fault: every function fails", every_function_fails});
  cases.push_back({"fault: the card vanishes", the_card_vanishes});
  cases.push_back({"fault: forked", forked});
  cases.push_back({"fault: unfit cards", unfit_cards});
  cases.push_back({"planted: forgets_barrier", forgotten_barrier});
  cases.push_back({"planted: writes_too_far", [] { planted(kWritesTooFar, ""); }});
  cases.push_back({"planted: writes_too_far_shared", [] { planted(kWritesTooFarShared, ""); }});
  cases.push_back({"planted: racing_blocks", racing_blocks});
}

}  // namespace ossnb::cuda::testing
