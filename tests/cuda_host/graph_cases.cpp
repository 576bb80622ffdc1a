// Graphs, events, and cards that are listed and shared.
#include <thread>

#include "base/error.h"
#include "cases.h"
#include "smoke.h"

namespace ossnb::cuda::testing {
namespace {

void replays() {
  const auto card = Card::open(0);
  const Kernel<AxpyArgs> kernel(card, "smoke_axpy");
  DeviceArray<float> x(card, std::span<const float>(std::vector<float>(100, 2))), y(card, 100);
  PinnedArray<float> out(card, 100), in(card, 100);
  std::fill(in.begin(), in.end(), 1.0F);
  Graph graph;
  OSSNB_REQUIRE(!graph);
  {
    AxpyArgs args = {x.data(), y.data(), 3, 100};
    graph = Graph::capture(card, [&] {
      y.upload(std::span<const float>(in.data(), 100));
      kernel.launch(1, 128, 0, args);
      args.a = 10;
      kernel.launch(1, 128, 0, args);
      y.download(std::span<float>(out.data(), 100));
    });
    args = {};
  }
  OSSNB_REQUIRE(graph);
  card->wait();
  OSSNB_REQUIRE(!(out[0] == 27));  // nothing has run
  for (const float begin : {1.0F, 5.0F, -3.0F}) {
    std::fill(in.begin(), in.end(), begin);
    graph.replay();
    card->wait();
    for (const float v : out) OSSNB_REQUIRE(v == begin + 26);
  }
}

// A capture that fails leaves the card as it was.
void broken_captures() {
  const auto card = Card::open(0);
  const Kernel<AxpyArgs> kernel(card, "smoke_axpy");
  DeviceArray<float> x(card, std::span<const float>(std::vector<float>(100, 2))), y(card, 100);
  std::vector<float> pageable(100, 1);
  y.upload(pageable);
  const auto axpy = [&] { kernel.launch(1, 128, 0, {x.data(), y.data(), 1, 100}); };
  message_of<Cancelled>([&] {
    Graph::capture(card, [&] {
      axpy();
      throw Cancelled();
    });
  });
  const std::function<void()> forbidden[] = {[&] { card->wait(); }, [&] { y.upload(pageable); },
                                             [&] { y.download(pageable); },
                                             [&] { DeviceArray<int>(card, 3); }};
  for (const auto& call : forbidden) {
    message_of<DeviceFailure>([&] {
      Graph::capture(card, [&] {
        axpy();
        call();
      });
    });
    message_of<DeviceFailure>([&] {  // the end of the capture fails even where the mistake was not looked at
      Graph::capture(card, [&] {
        axpy();
        try {
          call();
        } catch (const DeviceFailure&) {
        }
      });
    });
    OSSNB_REQUIRE(card->is_usable());
  }
  axpy();
  for (const float v : read(*card, y)) OSSNB_REQUIRE(v == 3);
}

void events() {
  const auto card = Card::open(0);
  const Kernel<AxpyArgs> kernel(card, "smoke_axpy");
  DeviceArray<float> x(card, 1000), y(card, 1000);
  Event before(card, Event::Use::timing), after(card, Event::Use::timing), between(card);
  before.record();
  kernel.launch(4, 256, 0, {x.data(), y.data(), 1, 1000});
  between.record();
  kernel.launch(4, 256, 0, {x.data(), y.data(), 1, 1000});
  after.record();
  card->wait(between);
  OSSNB_REQUIRE(between.is_done());
  card->wait(after);
  OSSNB_REQUIRE(after.ms_since(before) >= 0);
  message_of<DeviceFailure>([&] { after.ms_since(between); });  // that one is not for timing
  OSSNB_REQUIRE(card->is_usable());
}

void shared_card() {
  auto one = Card::open(0);
  const auto other = Card::open(0);
  DeviceArray<int> x(one, std::span<const int>(std::vector<int>{1, 2, 3}));
  one.reset();  // the array keeps it open
  OSSNB_REQUIRE(x.size() == 3);
  std::vector<int> values(3);
  std::thread([&] { x.download(values); }).join();  // any thread may ask
  require_equal(values, {1, 2, 3}, "x");
  x = DeviceArray<int>(other, 5);
  OSSNB_REQUIRE(x.size() == 5);
  x.fill_bytes(0);
  require_equal(read(*other, x), std::vector<int>(5), "x");
}

void list() {
  const CardList list = list_cards({0, 1});
  OSSNB_REQUIRE(list.why_none.empty() && !list.cards.empty());
  const CardInfo& info = list.cards[0];
  OSSNB_REQUIRE(info.why_not.empty() && !info.name.empty() && info.major >= 7 && info.n_multiprocessors > 0);
  OSSNB_REQUIRE(info.memory_free > 0 && info.memory_free <= info.memory_total);
  OSSNB_REQUIRE(info.shared_limit >= 48 << 10);
  const std::string message = message_of<DeviceUnavailable>([] { Card::open(99); });
  OSSNB_REQUIRE(has(message, "there is no card cuda:99"));
  message_of<DeviceUnavailable>([] { Card::open(-1); });
}

}  // namespace

void add_graph_cases(Cases& cases) {
  cases.push_back({"graph: replays", replays});
  cases.push_back({"graph: broken captures", broken_captures});
  cases.push_back({"card: events", events});
  cases.push_back({"card: shared by two models", shared_card});
  cases.push_back({"card: the list", list});
}

}  // namespace ossnb::cuda::testing
