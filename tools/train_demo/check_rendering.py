"""Compare the fast rendering with the oss-harmony library on random conversations, and with ossnb's own where
built-in tools are at hand."""

from __future__ import annotations

import argparse
from pathlib import Path
from random import Random

import builtin
import openai_harmony as oh
import words
from evaluate import as_message
from harmony import Tokenizer

from data import TASKS, Generator, Sample, random_date
from ossnb.harmony.prompt import render


def library_prompt(encoding: oh.HarmonyEncoding, sample: Sample) -> list[int]:
    """Render a sample's prompt as the library does."""
    p = sample.prompt
    system = oh.SystemContent.new().with_reasoning_effort(oh.ReasoningEffort(p.effort.capitalize()))
    if p.date:
        system = system.with_conversation_start_date(p.date)
    messages = [oh.Message.from_role_and_content(oh.Role.SYSTEM, system)]
    if p.instructions or p.tools:
        developer = oh.DeveloperContent.new()
        if p.instructions:
            developer = developer.with_instructions(p.instructions)
        if p.tools:
            tools = [oh.ToolDescription.new(t.name, t.description, t.schema()) for t in p.tools]
            developer = developer.with_function_tools(tools)
        messages.append(oh.Message.from_role_and_content(oh.Role.DEVELOPER, developer))
    for m in p.messages:
        if m.role == "tool":
            author = oh.Author.new(oh.Role.TOOL, m.name)
            message = oh.Message.from_author_and_content(author, m.content)
            if m.channel:
                message = message.with_channel(m.channel).with_recipient("assistant")
        else:
            message = oh.Message.from_role_and_content(oh.Role(m.role), m.content)
            if m.channel:
                message = message.with_channel(m.channel)
            if m.to:
                message = message.with_recipient(m.to).with_content_type("<|constrain|>json")
        messages.append(message)
    config = oh.RenderConversationConfig(auto_drop_analysis=False)
    conversation = oh.Conversation.from_messages(messages)
    return encoding.render_conversation_for_completion(conversation, oh.Role.ASSISTANT, config)


def ossnb_prompt(sample: Sample) -> list[int]:
    """Render a sample's prompt as ossnb does."""
    p = sample.prompt
    messages = [as_message(m) for m in p.messages]
    return render(
        messages, effort=p.effort, tools=builtin.definitions(p.builtin), instructions=p.instructions or None
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vocabulary", type=Path)
    parser.add_argument("-n", type=int, default=500)
    args = parser.parse_args()
    encoding = oh.load_harmony_encoding(oh.HarmonyEncodingName.HARMONY_GPT_OSS)
    generator = Generator(Tokenizer(args.vocabulary))
    words.set_rare(["quantum", "zebra", "tectonic", "unknown", "wolfram", "alpha", "beta", "gamma"])
    generator.weights = (1.0,) * len(TASKS)  # those that are switched off, too
    rng = Random(7)
    for _ in range(args.n):
        sample = generator.sample(rng, date=rng.choice(("", random_date(rng))))
        p = sample.prompt
        if sample.raw or (p.builtin and p.date):  # ossnb writes no date
            continue
        # A recipient stands behind the channel, but ossnb's calls of the built-in tools have it before.
        mine = generator.renderer.system(*p.system) + generator.renderer.body(p, old_order=bool(p.builtin))
        theirs = ossnb_prompt(sample) if p.builtin else library_prompt(encoding, sample)
        if mine != theirs:
            raise SystemExit(f"differs:\n{encoding.decode(mine)}\n---\n{encoding.decode(theirs)}")
    print(f"{args.n} conversations rendered alike")


if __name__ == "__main__":
    main()
