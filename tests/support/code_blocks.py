"""Finds the code in the documentation: fenced blocks, and code in running text; and reads command lines.

markdown-it-py does the finding, which is installed anyway (rich needs it) and knows fences inside lists. Libraries that
run code blocks know Python alone; most of the blocks here are shell and JSON.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from places import ROOT

PAGES = ("README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")))
_SEPARATORS = frozenset({";", "&&", "||", "|", "&"})
_ASSIGNMENT = re.compile(r"[A-Z_]+=")
_LOOPS = ("for", "done")


@dataclass(frozen=True)
class Block:
    """A fenced block: where it begins, its language, the `title` that names it as a file ("" without one), its text."""

    page: str
    line: int
    language: str
    title: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str, *languages: str) -> list[Block]:
    """The fenced blocks of a page in these languages, or in all."""
    found = []
    for token in _parsed(page):
        if token.type == "fence":
            language, _, rest = token.info.strip().partition(" ")
            title = re.fullmatch(r'title="([^"]+)"', rest)
            found.append(Block(page, (token.map or [0])[0] + 1, language, title[1] if title else rest, token.content))
    return [block for block in found if not languages or block.language in languages]


def mentions(page: str) -> list[str]:
    """Code in running text, such as `deadlift jobs`."""
    return [
        child.content.replace("\n", " ")
        for token in _parsed(page)
        for child in token.children or ()
        if child.type == "code_inline"
    ]


def command_lines(script: str) -> list[list[str]]:
    """The commands of a shell script as words, without variables before them and comments behind."""
    found: list[list[str]] = []
    for line in script.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|<>")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word not in _SEPARATORS:
                words.append(word)
                continue
            while words and (words[0] == "do" or _ASSIGNMENT.match(words[0])):
                words.pop(0)
            if words and words[0] not in _LOOPS:
                found.append(words)
            words = []
    return found


def program(words: list[str]) -> str:
    """The name of the program that a command line starts."""
    return Path(words[0]).name


def _parsed(page: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse((ROOT / page).read_text(encoding="utf-8"))
