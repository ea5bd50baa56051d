"""`deadlift prelabel`: predictions for a whole archive, into a Label Studio project or into files."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.errors import BackendError, BadRequest, LabelStudioError
from backend.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backend.archives.run import Target
    from backend.context import Context
    from backend.labelstudio.labeling_config import Controls
    from backend.storage.jobs import Store
    from backend.storage.ledger import Ledger, Source


def prelabel(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE...",
            help="Folders, video files, patterns in quotes, http(s) addresses, or .txt files that list such.",
            show_default=False,
        ),
    ] = None,
    project: Annotated[
        int | None, typer.Option(help="Label Studio project that gets the predictions.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Instead of a project: folder for tasks.json (to be imported), reps.csv and failed.csv.",
            show_default=False,
        ),
    ] = None,
    tasks: Annotated[
        str, typer.Option(metavar="all|unlabelled|view:ID", help="Tasks of the project, instead of SOURCE.")
    ] = "",
    local_files_root: Annotated[
        Path | None,
        typer.Option(
            envvar="LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT",
            help="Folder that Label Studio serves local files from: what lies below it is not uploaded.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes on this machine; also WORKERS.", show_default=False)
    ] = None,
    scheduler: Annotated[
        str, typer.Option(help="Dask scheduler, as tcp://host:8786, with workers elsewhere; also DASK_SCHEDULER.")
    ] = "",
    resume: Annotated[
        bool, typer.Option(help="Go on where the last run ended, or forget what is known of these videos.")
    ] = True,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try again what was given up before.")] = False,
    max_attempts: Annotated[int, typer.Option(min=1, help="Failures of a video before it is given up.")] = 2,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many videos in this run.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    json_progress: Annotated[
        bool, typer.Option("--json-progress", help="Progress as lines of JSON on standard output.")
    ] = False,
) -> None:
    """Pre-label an archive. May be interrupted and repeated at any time. Exit code 1 if any video failed."""
    import logging

    from backend.archives.files import look_again, write
    from backend.archives.run import ArchiveRun, exclusive, target_name
    from backend.commands.prelabel_display import Display, passed_over_files
    from backend.commands.serve import setup_logging, stop_on_sigterm
    from backend.compute.dask_executor import DaskExecutor
    from backend.storage.jobs import Store
    from backend.storage.ledger import Ledger

    if (project is None) == (out is None):
        raise BackendError("Where shall the predictions go? Give either --project or --out.")
    if bool(sources) == bool(tasks) or (tasks and project is None):
        raise BackendError("Which videos? Give files or folders, or --tasks of a --project.")
    setup_logging(logging.WARNING)
    stop_on_sigterm()
    settings, display = Settings(), Display(json_progress)
    root = local_files_root.absolute() if local_files_root is not None else None
    target = target_name(project, out)
    with exclusive(settings.data_dir, target), closing(Store(settings.database_url)) as store:
        ledger = Ledger(store.engine)
        context, controls, goal = _opened(settings, store, ledger, project, root)
        model, config = context.registry.current(project), context.config.digest()
        passed_over: Counter[str] = Counter()
        found = _videos(context, controls, sources or [], project, tasks, passed_over)
        if dry_run:
            videos = list(found)
            states = ledger.known(target, model.version, config, videos)
            display.plan(target, model.version, states | goal.new_tasks(videos), passed_over)
            return
        run = ledger.begin(target, model.version, config, found)
        if sources and not ledger.counts(run):
            others = f" ({passed_over_files(passed_over)})" if passed_over else ""
            raise BadRequest(
                f"No videos in {', '.join(sources)}{others}. Expected files such as MP4, or folders of them."
            )
        if not resume:
            ledger.start_over(run)
        if retry_failed:
            ledger.forgive(run)
        if out is not None:
            look_again(ledger, run)
        to_do = ledger.count_unfinished(run, max_attempts)
        to_do = to_do if limit is None else min(limit, to_do)
        display.begin(target, model.version, ledger.counts(run), to_do)
        interrupted = False
        if to_do:
            executor = DaskExecutor(workers or settings.workers, scheduler or settings.dask_scheduler)
            bulk = ArchiveRun(context, ledger, executor, goal, model, controls, lambda: executor.capacity)
            try:
                with display:
                    bulk.run(run, max_attempts, limit, display.told)
            except KeyboardInterrupt:
                interrupted = True
            finally:
                executor.close()
        if out is not None:
            write(out, ledger.of_run(run, "done"), ledger.of_run(run, "failed"), controls, root)
        counts = ledger.counts(run)
        display.end(counts, ledger.of_run(run, "failed"), interrupted, out, root, passed_over)
    if interrupted or counts.get("failed"):
        raise typer.Exit(130 if interrupted else 1)


def _opened(
    settings: Settings, store: Store, ledger: Ledger, project: int | None, root: Path | None
) -> tuple[Context, Controls, Target]:
    """What a run works with: a project's labeling config, or for files the one that this project comes with."""
    from backend.archives.run import FolderTarget, ProjectTarget
    from backend.context import context_of
    from backend.labelstudio.labeling_config import default_config, parse_controls

    context = context_of(settings, store)
    if project is None:
        return context, parse_controls(default_config()), FolderTarget()
    if not context.client.configured:
        raise LabelStudioError("--project needs LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY.")
    label_config = context.client.label_config(project)
    controls = parse_controls(label_config)
    store.remember_project(project, label_config)
    return context, controls, ProjectTarget(context, ledger, project, controls, root)


def _videos(
    context: Context,
    controls: Controls,
    given: list[str],
    project: int | None,
    tasks: str,
    passed_over: Counter[str],
) -> Iterator[Source]:
    from backend.archives import sources

    if project is None or not tasks:
        return sources.files(given, passed_over)
    return sources.tasks(context.client, project, controls, tasks)
