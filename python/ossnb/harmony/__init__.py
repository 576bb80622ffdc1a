"""Words to token ids and back: messages, the prompt, what a reply's tokens mean, where it stops."""
