"""Prints docs/commands.md, made of the help texts of the command line: python docs/scripts/commands.py >docs/commands.md"""

from __future__ import annotations

import html
import re
import subprocess
import sys

_INTRODUCTION = """# Commands

Made of the help texts of `deadlift` by `docs/scripts/commands.py`: `deadlift COMMAND --help` prints the same.
After `make demo`, `make serve` or `make install` the command is `.venv/bin/deadlift`. Many commands read the
[settings](settings.md) from the environment.

"""


def main() -> None:
    generate = [sys.executable, "-m", "typer", "backend.cli", "utils", "docs", "--name", "deadlift"]
    text = html.unescape(subprocess.run(generate, check=True, capture_output=True, text=True).stdout)
    text = text.partition("**Commands**:")[2]  # the title and the options of `deadlift` itself say nothing
    # One level up: `deadlift models list` is a section of `deadlift models`.
    text = re.sub(r"^\*\*(\w+)\*\*:$", r"\1:", text, flags=re.MULTILINE)
    sys.stdout.write(_INTRODUCTION + _with_whole_summaries(text).strip() + "\n")


def _with_whole_summaries(text: str) -> str:
    """Lists of commands, which the generator shortens, get the first line of each command's own section, and a link."""
    summaries = dict(re.findall(r"^#+ `deadlift ([\w ]+)`\n\n(.+)$", text, flags=re.MULTILINE))
    group, lines = "", []
    for line in text.split("\n"):
        if heading := re.match(r"#+ `deadlift ([\w ]+)`", line):
            group = heading[1] + " "
        if (shortened := re.match(r"\* `(\w+)`: ", line)) and group + shortened[1] in summaries:
            name = group + shortened[1]
            line = f"* [`{name}`](#deadlift-{name.replace(' ', '-')}): {summaries[name]}"
        lines.append(line)
    return "\n".join(lines)


if __name__ == "__main__":
    main()
