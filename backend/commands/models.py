"""`deadlift models`: the models of a project. What is promoted or rolled back here, a running server uses at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from backend.registry import Registry, Version

app = typer.Typer(help="The models of a Label Studio project: list, compare, choose.", no_args_is_help=True)

Project = Annotated[int, typer.Option("--project", help="Number of the Label Studio project.")]
Name = Annotated[str, typer.Argument(help="A model: v0003, 3, or its whole version; base is what projects start with.")]


@app.command("list")
def list_models(project: Project) -> None:
    """Every model of a project, the one in use marked."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    registry = _registry()
    in_use = registry.current_name(project)
    table = Table(
        "", "Model", "Made", "Normal", "Anomalous", "Videos", box=box.SIMPLE, pad_edge=False, collapse_padding=True
    )
    table.add_column("Gate", no_wrap=True)
    table.add_column("Version", no_wrap=True)
    table.add_row("*" if in_use == "base" else "", "base", "", "", "", "", "", registry.fallback.version)
    for version in registry.versions(project):
        labels = version.run.get("labels", {})
        counts = [str(labels.get(kind, "")) for kind in ("normal", "anomalous", "videos")]
        gate = "passed" if version.gate.get("passed") else "refused"
        mark = "*" if version.name == in_use else ""
        table.add_row(mark, version.name, _made(version), *counts, gate, version.model.version)
    Console().print(table)
    Console().print("* in use; `deadlift models show` says why one was refused.")


@app.command()
def show(name: Name, project: Project) -> None:
    """What a model was made of, and what the gate says about it."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    version = _registry().version(project, name)
    labels = version.run.get("labels", {})
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(f"{version.model.version}, made {_made(version)}, in {version.model.folder}")
    console.print(
        f"Learnt from {labels.get('normal', 0)} normal repetitions of {labels.get('videos', 0)} videos, "
        f"judged with {labels.get('anomalous', 0)} anomalous ones."
    )
    for line in labels.get("skipped", []):
        console.print(f"Left out: {line}")
    console.print(str(version.gate.get("reason", "")))
    if not version.gate.get("passed"):
        console.print(f"If the labels are right: deadlift models promote {version.name} --project {project}")
    table = Table("On unseen videos", version.name, str(version.run.get("parent_name", "")), box=box.SIMPLE)
    for title, *figures in _judged(version):
        table.add_row(title, *figures)
    console.print(table)
    console.print(f"All of it: {version.model.folder}/run.json, and the labels beside it.")


@app.command()
def compare(first: Name, second: Name, project: Project) -> None:
    """The figures of two models side by side; each was measured on videos that it had not seen."""
    from rich.console import Console
    from rich.table import Table

    registry = _registry()
    one, other = registry.version(project, first), registry.version(project, second)
    table = Table("Figure", one.name, other.name)
    left, right = _figures(one), _figures(other)
    for figure in dict.fromkeys([*left, *right]):
        table.add_row(figure, left.get(figure, ""), right.get(figure, ""))
    Console().print(table)
    if one.run.get("label_digest") != other.run.get("label_digest"):
        Console().print("The figures are of different labels.")


@app.command()
def promote(name: Name, project: Project) -> None:
    """Use a model from now on, whatever the gate said."""
    typer.echo(f"{_registry().promote(project, name).version} is in use for project {project}.")


@app.command()
def rollback(project: Project) -> None:
    """Use again what was in use before the last promotion."""
    typer.echo(f"{_registry().rollback(project).version} is in use for project {project}.")


def _figures(version: Version) -> dict[str, str]:
    run = version.run
    labels = {f"labels: {kind}": str(value) for kind, value in run.get("labels", {}).items() if kind != "skipped"}
    figures = {name: f"{value:g}" for name, value in (version.gate.get("figures") or {}).items()}
    return labels | figures | {"gate": "passed" if version.gate.get("passed") else "refused"}


def _made(version: Version) -> str:
    """Day and minute, UTC."""
    return str(version.run.get("created", ""))[:16].replace("T", " ")


def _judged(version: Version) -> list[tuple[str, str, str]]:
    """What the gate measured, of the model and of the one that was in use."""
    figures = version.gate.get("figures") or {}
    rows = []
    for prefix, source in (("", ""), ("earlier_", ", by the earlier labels")):
        for name, title in (("false_alarms", "False alarms"), ("misses", "Misses"), ("auroc", "AUROC")):
            pair = [figures.get(f"{prefix}{whose}_{name}") for whose in ("candidate", "current")]
            if None not in pair:
                one, other = (f"{value:.2f}" if name == "auroc" else f"{value:.0%}" for value in pair)
                rows.append((title + source, one, other))
    return rows


def _registry() -> Registry:
    from backend.app import registry_of
    from backend.settings import Settings

    return registry_of(Settings())
