#!/usr/bin/env bash
# typer 0.29.2 carries a click of its own: its commands are no click commands, and click's errors and context do not
# reach them. A click.UsageError raised in a typer command is an unhandled exception (exit code 1) instead of a usage
# error (exit code 2), and click.get_current_context() finds nothing. typer.BadParameter and typer.Context work.
#
# Seen with typer 0.29.2, click 8.3.0:
#   is a click command: False
#   click's context inside: None
#   click.UsageError: exit code 1, UsageError
#   typer.BadParameter: exit code 2, SystemExit
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet typer==0.29.2 click==8.3.0
cat > "$folder/look.py" <<'PYTHON'
import click
import typer
from typer.main import get_command
from typer.testing import CliRunner

app = typer.Typer()


@app.command()
def of_click() -> None:
    print("click's context inside:", click.get_current_context(silent=True))
    raise click.UsageError("no such thing")


@app.command()
def of_typer() -> None:
    raise typer.BadParameter("no such thing")


print("is a click command:", isinstance(get_command(app), click.Command))
for error, command in (("click.UsageError", "of-click"), ("typer.BadParameter", "of-typer")):
    done = CliRunner().invoke(app, [command])
    for line in done.output.splitlines():
        if line.startswith("click's"):
            print(line)
    print(f"{error}: exit code {done.exit_code}, {type(done.exception).__name__}")
PYTHON
seen=$("$folder/venv/bin/python" "$folder/look.py")
echo "$seen"
diff <(echo "$seen") <(sed -n 's/^#   //p' "$0")
