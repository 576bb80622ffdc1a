"""Train the demo model from scratch on a CPU: `python train.py --minutes 80 --out FOLDER`.

The schedule follows the elapsed share of the time budget (or of `--steps`, which makes a run reproducible).
Resume an interrupted run by the same command.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import sys
import time
from pathlib import Path
from random import Random

import shipped
import torch
import words
from batch import Batcher
from harmony import Tokenizer
from model import DemoModel, Shape, compile_ops
from optim import Muon
from vocab import VOCAB_SIZE, Vocab, build_vocab

from data import DRILL, EFFORT_WEIGHTS, LATE, LATE_EFFORTS, WEIGHTS, Generator, count_tokens, rare_words

MUON_LR, TABLE_LR, SMALL_LR = 0.02, 0.004, 0.002
WARM_UP = 40  # steps
DRILL_UNTIL = 0.03  # share of the run in which repeating words is drawn most
LATE_FROM = 0.55  # share from which the mixture favours what takes longest to learn
QUANTISE_FROM = 0.5  # share of the run from which experts are trained as MXFP4
BALANCE = 0.01


def get_vocab(path: Path, tokenizer: Tokenizer, seed: int, init: Path | None, n: int = 60_000) -> Vocab:
    """Count the tokens of n samples once, and add those of the weights to begin with; set the rare words that
    stand for everything unknown."""
    if path.exists():
        state = pickle.loads(path.read_bytes())
    else:
        print(f"counting the tokens of {n} samples", flush=True)
        words.set_rare(["unknown"] * 50)
        counts = count_tokens(Generator(tokenizer), seed, n)
        if init is not None:
            vocab = shipped.vocabulary(shipped.read(init), tokenizer, *counts)
        else:
            texts = {i: tokenizer.decode([i]) for i in range(199_998)}
            vocab = build_vocab(*counts, texts, threshold=25)
        state = {"vocab": vocab, "rare": rare_words(tokenizer, set(vocab.ids_in.tolist()))}
        path.write_bytes(pickle.dumps(state))
    words.set_rare(state["rare"])
    vocab = state["vocab"]
    print(f"{vocab.n_in} input rows, {vocab.n_out} output rows, {len(state['rare'])} rare words", flush=True)
    return vocab


def split_parameters(model: DemoModel) -> tuple[list, list, list]:
    """Return matrices (Muon), tables and small parameters (AdamW)."""
    matrices, tables, small = [], [], []
    for name, p in model.named_parameters():
        leaf = name.rsplit(".", 1)[-1]
        if leaf in ("q", "k", "v", "o", "gate_up", "down", "tie"):
            matrices.append(p)
        else:
            (tables if "embed" in leaf else small).append(p)
    return matrices, tables, small


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=80.0, help="time budget")
    parser.add_argument("--steps", type=int, default=0, help="train this many steps instead (reproducible)")
    parser.add_argument("--batch", type=int, default=48, help="conversations a step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--vocabulary", type=Path, help="o200k_base.tiktoken (default: slowly through oss-harmony)"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints")
    parser.add_argument("--init", type=Path, help="train on from these finished weights (demo.ossnb)")
    parser.add_argument("--lr", type=float, default=1.0, help="scale of all learning rates")
    parser.add_argument("--decay-from", type=float, default=0.45, help="share from which the rate falls to 0")
    parser.add_argument("--no-compile", action="store_true")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if not args.no_compile:
        compile_ops()

    tokenizer = Tokenizer(args.vocabulary)
    vocab = get_vocab(args.out / "vocab.pkl", tokenizer, args.seed, args.init)
    generator = Generator(tokenizer)
    batcher = Batcher(generator, vocab)
    torch.manual_seed(args.seed)
    model = DemoModel(Shape(), vocab)
    matrices, tables, small = split_parameters(model)
    muon = Muon(matrices, MUON_LR * args.lr)
    rates = (TABLE_LR * args.lr, SMALL_LR * args.lr)
    adam = torch.optim.AdamW(
        [{"params": tables, "lr": rates[0]}, {"params": small, "lr": rates[1]}],
        betas=(0.9, 0.97), eps=1e-10, weight_decay=0.0, fused=True,
    )  # fmt: skip

    step, spent = 0, 0.0
    checkpoint = args.out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        muon.load_state_dict(state["muon"])
        adam.load_state_dict(state["adam"])
        step, spent = state["step"], state["spent"]
        print(f"resumed at step {step}", flush=True)
    elif args.init:
        shipped.fill(model, shipped.read(args.init), vocab)

    def save() -> None:
        state = {"model": model.state_dict(), "muon": muon.state_dict(), "adam": adam.state_dict()}
        torch.save(state | {"step": step, "spent": spent}, checkpoint.with_suffix(".tmp"))
        os.replace(checkpoint.with_suffix(".tmp"), checkpoint)

    budget = args.minutes * 60
    last_save, tick, n_tokens, mean = spent, time.monotonic(), 0, 0.0
    while True:
        share = step / args.steps if args.steps else spent / budget
        if share >= 1:
            break
        scale = min(1.0, (step + 1) / WARM_UP, max(0.0, (1 - share) / (1 - args.decay_from)))
        generator.weights, generator.efforts = WEIGHTS, EFFORT_WEIGHTS
        if args.init or share >= LATE_FROM:
            generator.weights, generator.efforts = LATE, LATE_EFFORTS
        elif share < DRILL_UNTIL:
            generator.weights = DRILL
        batch = batcher.draw(Random(f"{args.seed}/{step}"), args.batch)
        loss, uneven = model.loss(batch, quantise=bool(args.init) or share >= QUANTISE_FROM)
        (loss + BALANCE * uneven).backward()
        muon.step(scale, momentum=0.85 + 0.10 * min(1.0, step / 300))
        for group, rate in zip(adam.param_groups, rates, strict=True):
            group["lr"] = rate * scale
        adam.step()
        model.zero_grad(set_to_none=True)
        step += 1
        now = time.monotonic()
        spent, tick = spent + min(now - tick, 300.0), now
        n_tokens += len(batch.tokens)
        mean = loss.item() if mean == 0 else 0.95 * mean + 0.05 * loss.item()
        if step % 20 == 0 or step <= 3:
            line = {"step": step, "minutes": round(spent / 60, 2), "share": round(share, 3)}
            line |= {"loss": round(mean, 4), "uneven": round(uneven.item(), 3)}
            line["tok_s"] = round(n_tokens / max(spent - last_save, 1e-9))
            print(json.dumps(line), flush=True)
        if spent - last_save > 300:
            save()
            last_save, n_tokens = spent, 0
    save()
    print(f"done: {step} steps in {spent / 60:.1f} minutes", flush=True)


if __name__ == "__main__":
    assert VOCAB_SIZE == 201_088
    sys.exit(main())
