"""`deadlift doctor`: what keeps the backend and Label Studio from working together, and what to do about it."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from backend.settings import Settings
from pipeline.counts import counted

MARKS = {"ok": "[green]ok[/green]", "note": "[yellow]note[/yellow]", "problem": "[red]problem[/red]"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON, when all are known.")] = False,
) -> None:
    """Check this machine, the backend, and its connection with Label Studio. Exit code 1 if there is a problem."""
    import json
    from dataclasses import asdict

    from backend.doctor.checks import checks

    console = Console(highlight=False)
    found = []
    for check in checks(Settings()):
        found.append(check)
        if as_json:
            continue
        line = Table.grid(padding=(0, 1))
        line.add_column(width=7)
        line.add_column(overflow="fold")
        remedy = f"\n[bold]{escape(check.remedy)}[/bold]" if check.remedy else ""
        line.add_row(MARKS[check.status], f"{escape(check.subject)}: {escape(check.found)}{remedy}")
        console.print(line)
    problems, notes = (sum(check.status == status for check in found) for status in ("problem", "note"))
    noted = f", [yellow]{counted(notes, 'note')}[/yellow]" if notes else ""
    if as_json:
        typer.echo(json.dumps([asdict(check) for check in found], indent=1))
    elif problems:
        console.print(f"[red]{counted(problems, 'problem')}[/red]{noted}")
    else:
        console.print(f"[green]No problem found[/green]{noted}")
    if problems:
        raise typer.Exit(1)
