#include "tiny_model.h"

#include <cstdio>
#include <string>

#include "choice/sampler.h"
#include "data/rope.h"
#include "model/forward.h"
#include "seeded.h"
#include "tiny_tensors.h"

namespace ossnb::testing {
namespace {

// Logits of every position of a prompt that comes in chunks, then of twelve sampled tokens.
std::uint64_t run(const TinyTensors& tensors, Precision precision, const char* level) {
  constexpr int kThreads = 2, kDecode = 12;
  Model model(kTinyConfig, [&](const std::string& name) { return tensors.find(name); }, "cpu",
              {.precision = precision, .n_threads = kThreads, .isa = level});
  Sequence sequence = model.sequence();
  SamplerSettings settings;
  settings.temperature = 0.9;
  settings.top_p = 0.95;
  settings.seed = 7;
  Sampler sampler(settings, kTinyConfig.vocab_size, {});
  Random random(21);
  Hash hash;
  std::vector<float> logits;
  const auto feed = [&](const std::vector<std::int32_t>& tokens) {
    const int n = static_cast<int>(tokens.size());
    logits.resize(static_cast<std::size_t>(n) * kTinyConfig.vocab_size);
    model.logits({{&sequence, tokens.data(), n, n}}, logits.data(), nullptr);
    hash.add(logits.data(), logits.size());
  };
  for (const int n : {1, 30, 39}) {
    std::vector<std::int32_t> tokens(n);
    for (std::int32_t& token : tokens) token = random.below(kTinyConfig.vocab_size);
    feed(tokens);
  }
  for (int i = 0; i < kDecode; ++i) {
    const float* last = logits.data() + logits.size() - kTinyConfig.vocab_size;
    const std::int32_t token = sampler.token(last, sequence.length());
    const float logprob = sampler.logprobs(last, token, 0).token;
    sampler.accept(token);
    hash.add(token);
    hash.add(&logprob, 1);
    feed({token});
  }
  return hash.value();
}

// The rotary angles of far positions, which a short run does not reach.
std::uint64_t rope_hash() {
  Config config = kTinyConfig;
  config.head_dim = 64;
  const Rope rope(config);
  std::vector<float> cos(rope.half()), sin(rope.half());
  Hash hash;
  for (const int position : {0, 1, 1000, 4095, 65537, 131071}) {
    rope.angles(position, cos.data(), sin.data());
    hash.add(cos.data(), cos.size());
    hash.add(sin.data(), sin.size());
  }
  return hash.value();
}

}  // namespace

int print_forward_hashes() {
  const auto print = [](const std::string& what, std::uint64_t hash) {
    std::printf("%s %016llx\n", what.c_str(), static_cast<unsigned long long>(hash));
  };
  bool agree = true;
  print("rope", rope_hash());
  for (const Experts layout : {Experts::mxfp4, Experts::bf16}) {
    const TinyTensors tensors(layout);
    for (const Precision precision : {Precision::exact, Precision::fast}) {
      const std::string what = std::string(layout == Experts::mxfp4 ? "mxfp4" : "bf16") +
                               (precision == Precision::exact ? " exact " : " fast ");
      std::uint64_t expected = 0;  // the reference's: levels() has it first
      for (const kernels::Level& level : kernels::levels()) {
        if (!level.supported) continue;
        const std::uint64_t hash = run(tensors, precision, level.table->name);
        if (level.table == &kernels::reference()) expected = hash;
        print(what + level.table->name, hash);
        agree = agree && hash == expected;
      }
    }
  }
  return agree ? 0 : 1;
}

}  // namespace ossnb::testing
