"""`deadlift models`: the models of a project. What is promoted or rolled back here, a running server uses at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from backend.labelstudio.format import Json
    from backend.models.registry import Registry, Version

app = typer.Typer(help="The models of a Label Studio project: list, compare, choose.", no_args_is_help=True)

Project = Annotated[int, typer.Option("--project", help="Number of the Label Studio project.")]
Name = Annotated[str, typer.Argument(help="A model: v0003, 3, or its whole version; base is what projects start with.")]

_BARS = "▁▂▃▄▅▆▇█"
_WIDEST = 60


@app.command("list")
def list_models(project: Project) -> None:
    """Every model of a project, the one in use marked."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from backend.models.figures import OF_ITS_OWN_LABELS
    from backend.models.rates import rate_in_use

    registry = _registry_of(project)
    in_use, versions = registry.current_name(project), registry.versions(project)
    table = Table("", "Model", box=box.SIMPLE, pad_edge=False, collapse_padding=True)
    table.add_column("Made (UTC)", no_wrap=True)
    for heading in ("Normal", "Anom.", "Videos"):
        table.add_column(heading, justify="right")
    table.add_column("Verdict", min_width=12)  # as long as its longest word
    table.add_column("Version", overflow="fold")
    table.add_row("*" if in_use == "base" else "", "base", "", "", "", "", "", registry.fallback.version)
    for version in versions:
        labels = version.run.get("labels", {})
        counts = [str(labels.get(kind, "")) for kind in ("normal", "anomalous", "videos")]
        mark = "*" if version.name == in_use else ""
        said = _verdict(registry, project, version)
        table.add_row(mark, version.name, _made(version), *counts, said, version.model.version)
    console = Console(highlight=False)
    console.print(table)
    if not versions:
        console.print(
            f"Project {project} has no model of its own in {registry.root} (DATA_DIR). `deadlift train --project "
            f"{project}` makes one.",
            soft_wrap=True,
        )
    else:
        console.print("* in use; `deadlift models show` says why one was not promoted.")
    if len(versions) > 1:
        console.print(OF_ITS_OWN_LABELS)
    console.print(f"Nominal rate of false alarms in project {project}: {rate_in_use(registry, project).words}.")


@app.command()
def show(name: Name, project: Project) -> None:
    """What a model was made of, and what the gate says about it."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from backend.models.figures import (
        JUDGED,
        at_rate_words,
        confirmed_words,
        in_a_line,
        judged_words,
        learnt_words,
        verdict_in,
    )
    from backend.models.found_words import AUROC_IS

    registry = _registry_of(project)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    if name in ("base", registry.fallback.version):
        console.print(f"{registry.fallback.version}, what projects start with.\n{_card(registry.fallback.folder)}")
        return
    version = registry.version(project, name)
    run, folder = version.run, version.model.folder
    labels = run.get("labels", {})
    in_use = ", in use" if registry.current_name(project) == version.name else ""
    console.print(f"{version.model.version}, made {_made(version)} UTC{in_use}, in {folder}")
    anomalous = judged_words(run) or "no anomalous repetitions"
    console.print(f"Learnt from {learnt_words(run) or 'labels that are not stored'}, judged with {anomalous}.")
    for line in labels.get("skipped", []):
        console.print(f"Left out: {line}")
    verdict = verdict_in(registry, project, version)
    console.print(in_a_line(verdict))
    if verdict.kind == "refused":
        console.print(f"If the labels are right: deadlift models promote {version.name} --project {project}")
    if judged := _judged(version):
        console.print(f"{JUDGED}{at_rate_words(version.gate)}:")
        table = Table("", version.name, str(run.get("parent_name", "")), box=box.SIMPLE)
        for title, *figures in judged:
            table.add_row(title, *figures)
        console.print(table)
    if "candidate_auroc" in (version.gate.get("figures") or {}):
        console.print(AUROC_IS)
    _print_rates(console, registry, project, version)
    if kept := confirmed_words(run):
        console.print(kept)
    points = run.get("losses") or []
    for title, name in (("Loss", "loss"), ("On held-out videos", "held_out")):
        losses = [float(point[name]) for point in points if name in point]
        if losses:
            console.print(f"{title} over {len(losses)} epochs: {losses[0]:.4g} {curve(losses)} {losses[-1]:.4g}")
    if points:
        console.print("Losses are multiples of the variance of normal repetitions; lower is better.")
    else:
        console.print("No loss curve: it compares statistics, which are computed rather than trained in epochs.")
    console.print(f"Seed {run.get('seed', '')}, labels {run.get('label_digest', '')}, after {run.get('parent', '')}.")
    console.print(f"All of it: {folder}/run.json, and the labels and the model's card beside it.")


@app.command()
def compare(first: Name, second: Name, project: Project) -> None:
    """The figures of two models side by side; each video judged by models made without it."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from backend.models.figures import unlike
    from backend.models.registry import BASE

    registry = _registry_of(project)
    of_base = [name in (BASE, registry.fallback.version) for name in (first, second)]
    if any(of_base):
        _compare_with_base(registry, project, second if of_base[0] else first, is_first=of_base[0])
        return
    one, other = registry.version(project, first), registry.version(project, second)
    table = Table("", one.name, other.name, box=box.SIMPLE)
    left, right = _figures(registry, project, one), _figures(registry, project, other)
    for figure in dict.fromkeys([*left, *right]):
        table.add_row(figure, left.get(figure, ""), right.get(figure, ""))
    console = Console(highlight=False)
    is_later = other.run.get("parent_name") == one.name
    if is_later or one.run.get("parent_name") == other.name:
        later = other if is_later else one
        console.print(f"On the same repetitions, when {later.name} was judged:")
        same = Table("", one.name, other.name, box=box.SIMPLE)
        for title, candidate, current in _judged(later):
            same.add_row(title, *((current, candidate) if is_later else (candidate, current)))
        console.print(same)
    if differences := unlike(one.run, other.run):
        console.print(
            f"These are of {differences}, and may differ by that. `deadlift models show` has each model beside the one "
            "that was in use then, on the same labels and at the same rate.",
            soft_wrap=True,
        )
    console.print(table)


@app.command()
def promote(name: Name, project: Project) -> None:
    """Use a model from now on, whatever the gate said."""
    registry = _registry_of(project)
    typer.echo(f"{registry.promote(project, name).version} is in use for project {project}.")
    if _tell_what_was_said(registry, project):
        typer.echo(f"`deadlift models rollback --project {project}` goes back.")


@app.command()
def rollback(project: Project) -> None:
    """Use again what was in use before the last promotion."""

    registry = _registry_of(project)
    typer.echo(f"{registry.rollback(project).version} is in use for project {project}.")
    _tell_what_was_said(registry, project)


def _tell_what_was_said(registry: Registry, project: int) -> bool:
    """Print what was said against the model that is in use now, or beside its figures; returns whether that was a
    refusal."""
    from backend.models.figures import in_a_line, verdict_of
    from backend.models.registry import BASE

    name = registry.current_name(project)
    if name == BASE:
        return False
    version = registry.version(project, name)
    is_refused = not version.gate.get("passed")
    refusal = in_a_line(verdict_of(version.gate, labels=version.run.get("labels") or {})) if is_refused else ""
    if said := refusal or str(version.gate.get("remark", "")):
        typer.echo(f"What was said of it: {said}")
    return is_refused


def curve(values: Sequence[float]) -> str:
    """A line of at most 60 bars, from the lowest to the highest value."""
    step = max(1, -(-len(values) // _WIDEST))
    shown = list(values)[::step]
    low, span = min(shown), max(shown) - min(shown)
    return "".join(_BARS[round((value - low) / span * (len(_BARS) - 1)) if span > 0 else 0] for value in shown)


def _compare_with_base(registry: Registry, project: int, name: str, is_first: bool) -> None:
    """Print the figures of base and of a model, both by the labels that the model had. Base knows none of them, and is
    asked now. is_first: whether base comes first."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from backend.errors import BackendError
    from backend.models.figures import TITLES
    from backend.models.found_words import DRAWN_OR_PREDICTED
    from backend.models.registry import BASE
    from backend.settings import Settings
    from backend.training.training_run import stored_samples
    from pipeline.anomaly.detector import load_detector
    from pipeline.anomaly.versions import percent
    from pipeline.learning.on_labels import figures_on

    if name in (BASE, registry.fallback.version):
        raise BackendError(f"{BASE} and {name} are one model. Name another one to compare it with.")
    version, settings = registry.version(project, name), Settings()
    samples = stored_samples(version.model, settings.pose_dir, settings.pipeline_config())
    if not samples:
        raise BackendError(
            f"base cannot be judged by the labels of {version.name}: no landmarks of their videos are kept."
        )
    detector = load_detector(registry.fallback.folder)
    rate = version.gate.get("rate") or detector.config.false_alarm_rate
    ours, its = figures_on(samples, detector, rate), version.gate.get("figures") or {}
    table = Table(f"At a nominal rate of {percent(rate)}%", *_in_order(version.name, BASE, is_first), box=box.SIMPLE)
    for figure, title in (("normals", "Normal repetitions"), ("anomalies", "Anomalous repetitions"), *TITLES.items()):
        stored = its.get(figure, its.get(f"candidate_{figure}"))
        table.add_row(title, *_in_order(_shown(figure, stored), _shown(figure, ours.get(figure)), is_first))
    console = Console(highlight=False)
    console.print(
        f"By the labels that {version.name} was made of: {version.name} as it was judged then, each video by what was "
        "learnt from others; base, which has learnt from none of them, now.",
        soft_wrap=True,
    )
    console.print(table)
    console.print(DRAWN_OR_PREDICTED, soft_wrap=True)


def _in_order(of_model: str, of_base: str, is_base_first: bool) -> tuple[str, str]:
    return (of_base, of_model) if is_base_first else (of_model, of_base)


def _shown(figure: str, value: float | None) -> str:
    """A figure as tables have it, "" where it is not known."""
    if value is None:
        return ""
    forms = {"false_alarms": ".0%", "misses": ".0%", "auroc": ".2f"}
    return format(value, forms.get(figure, "g"))


def _print_rates(console: Console, registry: Registry, project: int, version: Version) -> None:
    """What the model does at several nominal rates of false alarms, the one in use marked."""
    from rich import box
    from rich.table import Table

    from backend.models.figures import TWO_COUNTS
    from backend.models.rates import in_words, measured, rate_in_use
    from pipeline.anomaly.versions import percent

    found, used = measured(version.gate), rate_in_use(registry, project, version.model)
    table = Table("", box=box.SIMPLE)
    for heading in ("Nominal rate", "False alarms, mean over videos", "Anomalies found"):
        table.add_column(heading, justify="right")
    for one in found:
        shares = ("unknown" if share is None else f"{share:.0%}" for share in (one.false_alarms, one.recall))
        table.add_row("*" if one.rate == used.rate else "", f"{percent(one.rate)}%", *shares)
    if found and version.gate.get("figures"):
        console.print(TWO_COUNTS)
    console.print(in_words(found, used.rate))
    if found:
        console.print(table)
    console.print(f"{'* ' if found else ''}Nominal rate of false alarms in project {project}: {used.words}.")


def _figures(registry: Registry, project: int, version: Version) -> dict[str, str]:
    """What two models are compared by, in words; rates of unseen videos."""
    from backend.models.figures import judged_words, learnt_words
    from pipeline.anomaly.versions import percent

    run, figures = version.run, version.gate.get("figures") or {}
    labels: Json = run.get("labels", {})
    rows = {
        "Made (UTC)": _made(version),
        "Learnt from": learnt_words(run),
        "Judged with": judged_words(run),
        "Labelled videos": str(labels.get("videos", "")),
        "Lifters and cameras it knows": str((run.get("metrics") or {}).get("settings", "")),
    }
    if (rate := version.gate.get("rate")) is not None:
        rows["Nominal rate"] = f"{percent(rate)}%"
    rows |= {title: value for title, value, _ in _judged(version)}
    if "suspects" in figures:
        tasks = version.gate.get("doubtful_tasks") if figures["suspects"] else None
        rows["Normal ones that look odd"] = f"{figures['suspects']:g}" + (f", {_tasks(tasks)}" if tasks else "")
    return rows | {"Compared with": str(run.get("parent_name", "")), "Verdict": _verdict(registry, project, version)}


def _verdict(registry: Registry, project: int, version: Version) -> str:
    """The verdict in a few words, as the dashboard has it."""
    from backend.models.figures import VERDICTS, verdict_in

    return VERDICTS[verdict_in(registry, project, version).kind]


def _tasks(numbers: Sequence[int]) -> str:
    return f"task{'s' * (len(numbers) > 1)} " + ", ".join(map(str, numbers))


def _made(version: Version) -> str:
    """Day and minute, UTC."""
    return str(version.run.get("created", ""))[:16].replace("T", " ")


def _judged(version: Version) -> list[tuple[str, str, str]]:
    """What the gate measured, of the model and of the one that was in use."""
    from backend.models.figures import TITLES

    figures = version.gate.get("figures") or {}
    rows = []
    for prefix, source in (("", ""), ("earlier_", ", by the earlier labels")):
        for name, title in TITLES.items():
            pair = [figures.get(f"{prefix}{whose}_{name}") for whose in ("candidate", "current")]
            if None not in pair:
                one, other = (_shown(name, value) for value in pair)
                rows.append((title + source, one, other))
    return rows


def _card(folder: Path | None) -> str:
    """A model's card, that of the shipped one without a folder; "" for a model without one."""
    from importlib.resources import files

    card = files("pipeline.anomaly.base_model") / "CARD.md" if folder is None else folder / "CARD.md"
    return card.read_text(encoding="utf-8").strip() if card.is_file() else ""


def _registry_of(project: int) -> Registry:
    """The models. Raises BackendError for a project that has none and that Label Studio, where it is known, lacks."""
    from backend.commands.another_server import warn_of_another_server
    from backend.commands.known_project import check_is_there
    from backend.context import access_of, registry_of
    from backend.labelstudio.client import LabelStudioClient
    from backend.settings import Settings

    settings = Settings()
    warn_of_another_server(settings)
    registry, client = registry_of(settings), LabelStudioClient(access_of(settings))
    if client.configured and not registry.versions(project):
        check_is_there(client, project)
    return registry
