"""Pages of documentation as values: their code blocks, links, headings and tables."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]

PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("packages/*/README.md")),
]

LANGUAGES = {"python", "pycon", "console", "toml", "ini", "json", "js", "text", "mermaid"}
OPTIONS = {"title", "skip", "exit", "background"}


@dataclass(frozen=True, kw_only=True)
class Block:
    """One code block.

    Attributes:
        page: The page it stands on.
        line: The line of its fence.
        language: What it is written in.
        options: What stands behind the language: ``title``, ``skip``, ``exit``, ``background``.
        text: Its code.
    """

    page: Path
    line: int
    language: str
    options: dict[str, str] = field(default_factory=dict)
    text: str

    def __str__(self) -> str:
        known = self.page.is_relative_to(ROOT)
        return f"{self.page.relative_to(ROOT) if known else self.page.name}:{self.line}"


class Page:
    """One Markdown file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tokens = MarkdownIt("commonmark").enable("table").parse(path.read_text())

    @cached_property
    def blocks(self) -> list[Block]:
        """Its code blocks, in order."""
        return [
            _block(self.path, token.map[0] + 1, token.info, token.content)
            for token in self._tokens
            if token.type in {"fence", "code_block"}
        ]

    @cached_property
    def links(self) -> list[str]:
        """Where its links lead, diagrams included."""
        written = [
            str(child.attrs["href"])
            for token in self._tokens
            for child in token.children or ()
            if child.type == "link_open"
        ]
        drawn = [
            target
            for block in self.blocks
            if block.language == "mermaid"
            for target in re.findall(r'click \w+ "([^"]+)"', block.text)
        ]
        return written + drawn

    @cached_property
    def headings(self) -> list[str]:
        """The texts of its headings."""
        return [
            self._tokens[number + 1].content
            for number, token in enumerate(self._tokens)
            if token.type == "heading_open"
        ]

    def table(self, heading: str) -> list[list[str]]:
        """The rows of the first table below a heading, each cell as it is written."""
        rows: list[list[str]] = []
        below = inside = False
        for number, token in enumerate(self._tokens):
            if token.type == "heading_open":
                if inside or (below and rows):
                    break
                below = self._tokens[number + 1].content == heading
            elif below and token.type == "tbody_open":
                inside = True
            elif inside and token.type == "tbody_close":
                break
            elif inside and token.type == "tr_open":
                rows.append([])
            elif inside and token.type == "td_open":
                rows[-1].append(self._tokens[number + 1].content)
        assert rows, f"{self.path.name} has no table below {heading!r}"
        return rows

    def names(self, heading: str, column: int = 0) -> list[str]:
        """The names in code in a column of a table, without what stands behind a name."""
        return [
            re.split(r"[\s(=:]", name, maxsplit=1)[0]
            for row in self.table(heading)
            for name in re.findall(r"`([^`]+)`", row[column])
        ]

    def anchors(self) -> Iterator[str]:
        """The anchors of its headings, as GitHub makes them."""
        for heading in self.headings:
            kept = re.sub(r"[^\w\- ]", "", heading.lower())
            yield kept.replace(" ", "-")


def _block(page: Path, line: int, info: str, text: str) -> Block:
    language, *words = shlex.split(info) or [""]
    options = dict(word.partition("=")[::2] for word in words)
    return Block(page=page, line=line, language=language, options=options, text=text)
