"""`deadlift doctor`: what keeps the backend and Label Studio from working together, and what to do about it."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table

from backend.settings import Settings

MARKS = {"ok": "[green]ok[/green]", "note": "[yellow]note[/yellow]", "problem": "[red]problem[/red]"}


def doctor() -> None:
    """Check this machine, the backend, and its connection with Label Studio. Exit code 1 if there is a problem."""
    from rich.markup import escape

    from backend.doctor.label_studio import checks
    from backend.doctor.machine import Check

    console = Console()
    found: list[Check] = []
    with console.status("Looking") as status:
        for check in checks(Settings()):
            found.append(check)
            status.update(f"Looked at: {escape(check.subject)}")
    table = Table(show_edge=False)
    for heading in ("what", "", "found", "what to do"):
        table.add_column(heading, overflow="fold")
    for check in found:
        table.add_row(escape(check.subject), MARKS[check.status], escape(check.found), escape(check.remedy))
    console.print(table)
    problems = sum(check.status == "problem" for check in found)
    if problems:
        console.print(f"[red]{problems} problem{'s' if problems > 1 else ''}[/red]")
        raise typer.Exit(1)
    console.print("[green]No problem found[/green]")
