"""Words to token ids and back: messages, the prompt, the meaning of a reply's tokens, stop strings."""
