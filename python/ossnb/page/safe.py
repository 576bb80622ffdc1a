"""A model's Markdown, in which nothing runs, for the parts of a page."""

from __future__ import annotations

from ..system.markdown import CodeBlock, as_entities, as_text, code_blocks, safe_markdown

__all__ = ["CodeBlock", "as_entities", "as_text", "code_blocks", "safe_markdown"]
