"""Prints the reference of commands, of their help texts: python docs/scripts/commands.py >docs/commands.md"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from inspect import cleandoc
from typing import Any

import typer

from backend.cli import COMMANDS, load_command

_INTRODUCTION = """# Commands

Made of the help texts of `deadlift`; `deadlift COMMAND --help` prints the same. After `make demo`, `make serve` or
`make install` the command is `.venv/bin/deadlift`. Many commands read the [settings](settings.md) from the environment.
"""


def main() -> None:
    commands = {name: load_command(name) for name in COMMANDS}
    lines = [_INTRODUCTION, *(_entry(name, line) for name, (_, line) in COMMANDS.items())]
    for name, command in commands.items():
        lines += _section(name, command, level=2)
        for part, inner in getattr(command, "commands", {}).items():
            lines += _section(f"{name} {part}", inner, level=3)
    sys.stdout.write("\n".join(lines).rstrip() + "\n")


def _entry(name: str, line: str) -> str:
    return f"- [`{name}`](#deadlift-{name.replace(' ', '-')}): {line}"


def _section(name: str, command: Any, level: int) -> Iterator[str]:
    """What it does, how it is called, its commands, arguments and options."""
    context = typer.Context(command, info_name=f"deadlift {name}")
    yield f"\n{'#' * level} `deadlift {name}`\n"
    yield cleandoc(command.help or "") + "\n"
    yield f"    {' '.join([context.command_path, *command.collect_usage_pieces(context)])}\n"
    for part, inner in getattr(command, "commands", {}).items():
        yield _entry(f"{name} {part}", cleandoc(inner.help or "").split("\n\n")[0])
    for option in command.get_params(context):
        shown, about = option.get_help_record(context) or ("", "")
        if shown and "--help" not in shown:
            yield f"- `{shown}`: {about}".rstrip(": ")


if __name__ == "__main__":
    main()
