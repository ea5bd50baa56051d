"""What people can change: every change is a page that says what follows, and a POST from it to the same address."""

from __future__ import annotations

from typing import Any

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from backend.errors import BadRequest, NotInLabelStudio
from backend.labelstudio.file_names import file_name
from backend.models.figures import chance_words, verdict_in
from backend.models.registry import BASE
from backend.predictions.retries import PASSING, may_pass
from backend.settings import LEAST_FALSE_ALARM_RATE, MOST_FALSE_ALARM_RATE
from backend.storage import overview
from backend.storage.video_filter import VideoFilter, failed_with
from backend.web.dashboard import arguments, words
from backend.web.dashboard.blueprint import bp
from backend.web.dashboard.models import model_view
from backend.web.dashboard.pages import page_links
from backend.web.services import services
from pipeline.anomaly.versions import percent
from pipeline.counts import counted

_MOST_RETRIED = 10_000
_BOTH = ["GET", "POST"]


@bp.route("/models/<int:project>/<name>/promote", methods=_BOTH)
def promote(project: int, name: str) -> ResponseReturnValue:
    """Use a model from now on, whatever was said of it."""
    ours = services()
    if request.method == "POST":
        ours.registry.promote(project, name)
        ours.preannotator.catch_up_soon(project)
        return _done("promoted", "dashboard.models", project=project)
    warning = ""
    if name != BASE:
        version = ours.registry.version(project, name)
        verdict = verdict_in(ours.registry, project, version)
        warning = chance_words(version.gate) if verdict.kind == "better" else verdict.words
    return _ask(
        f"Use {name} for {page_links().title(project)}?",
        f"In use now: {ours.registry.current_name(project)}. Videos that nobody has begun to label get new "
        "predictions; those of the model in use now are removed from them, unless REMOVE_SUPERSEDED is off. "
        f"{words.kept_by_labelled(name)} You can roll back.",
        "Use it",
        url_for("dashboard.models", project=project),
        warning,
    )


@bp.route("/models/<int:project>/rollback", methods=_BOTH)
def rollback(project: int) -> ResponseReturnValue:
    """Use what was in use before the last promotion."""
    ours = services()
    if request.method == "POST":
        ours.registry.rollback(project)
        ours.preannotator.catch_up_soon(project)
        return _done("rolled-back", "dashboard.models", project=project)
    history = ours.registry.history(project)
    if len(history) < 2:  # one is in use, none was before
        raise BadRequest(f"{page_links().title(project)} uses what it began with: there is nothing to go back to.")
    return _ask(
        f"Go back to {history[-2]} for {page_links().title(project)}?",
        f"In use now: {history[-1]}. Videos that nobody has begun to label get predictions of {history[-2]} again. "
        f"{words.kept_by_labelled(history[-2])}",
        "Go back",
        url_for("dashboard.models", project=project),
    )


@bp.route("/projects/<int:project>/rate", methods=_BOTH)
def rate(project: int) -> ResponseReturnValue:
    """Choose the nominal rate of false alarms that a project's models judge at."""
    ours = services()
    if not ours.store.label_config(project):
        raise NotInLabelStudio(f"Project {project} is not connected to this server.")
    if request.method == "POST":
        ours.registry.choose_rate(project, arguments.rate_in_percent("percent"))
        ours.preannotator.catch_up_soon(project)
        return _done("rate", "dashboard.models", project=project)
    chosen, default = ours.registry.chosen_rate(project), ours.registry.default_rate
    return render_template(
        "rate.html",
        view=model_view(ours, page_links(), project, ours.registry.current_name(project)),
        least=percent(LEAST_FALSE_ALARM_RATE),
        most=percent(MOST_FALSE_ALARM_RATE),
        chosen="" if chosen is None else percent(chosen),
        otherwise="what the model was made for" if default is None else f"the server's {percent(default)} %",
        said="",
    )


@bp.route("/projects/<int:project>/train", methods=_BOTH)
def train(project: int) -> ResponseReturnValue:
    """Ask for a training."""
    ours, title = services(), page_links().title(project)
    if not ours.store.label_config(project):
        raise NotInLabelStudio(f"Project {project} is not connected to this server.")
    if request.method == "POST":
        ours.trainer.request(project, "the dashboard")
        return _done("requested", "dashboard.models", project=project)
    if nothing_new := ours.trainer.nothing_new(project):
        return _ask(
            f"Train a new model for {title}?",
            "A training looks for labels that were missed, and ends at once where there are none.",
            "Look for labels and train",
            url_for("dashboard.models", project=project),
            nothing_new,
        )
    return _ask(
        f"Train a new model for {title}?",
        "It learns from what people have labelled so far, is compared with the model in use on videos that neither has "
        "learnt from, and is used if it is not worse. That takes minutes, at low priority.",
        "Train",
        url_for("dashboard.models", project=project),
    )


@bp.route("/runs/<int:run>/cancel", methods=_BOTH)
def cancel(run: int) -> ResponseReturnValue:
    """End a training."""
    runs = services().trainer.runs
    found = runs.run(run)
    if found.state not in ("queued", "running"):
        return _done("nothing", "dashboard.models", project=found.project)
    if request.method == "POST":
        runs.cancel(run)
        return _done("cancelled", "dashboard.models", project=found.project)
    return _ask(
        f"End training {run} of {page_links().title(found.project)}?",
        "What it has done so far is lost. The model in use stays.",
        "End it",
        url_for("dashboard.models", project=found.project),
    )


@bp.route("/videos/<int:task>/retry", methods=_BOTH)
def retry(task: int) -> ResponseReturnValue:
    """Analyze a video once more that failed for a reason that may be gone."""
    ours, project = services(), arguments.whole("project")
    rows = overview.task_jobs(ours.store.engine, task, project)
    if not rows:
        raise NotInLabelStudio(f"No video of a task {task} is known here.")
    newest = overview.first_by(ours.context.versions_in_use(), rows)[0]
    if newest.state != "failed" or not may_pass(newest.error_type):
        return _done("nothing", "dashboard.video", task=task, project=newest.project)
    if request.method == "POST":
        ours.store.requeue_job(newest.job)
        ours.preannotator.catch_up_soon(newest.project)
        return _done("retried", "dashboard.video", task=task, project=newest.project)
    return _ask(
        f"Analyze {file_name(newest.media)} once more?",
        f"It failed {counted(newest.attempts, 'time')}: {newest.error_message}",
        "Try again",
        url_for("dashboard.video", task=task, project=newest.project),
    )


@bp.route("/projects/<int:project>/retry", methods=_BOTH)
def retry_all(project: int) -> ResponseReturnValue:
    """Analyze every video of a project once more that failed for a reason that may be gone."""
    ours = services()
    wanted = failed_with(VideoFilter(project), PASSING)
    rows = overview.videos(ours.store.engine, ours.context.versions_in_use(), wanted, "newest", _MOST_RETRIED)
    if not rows:
        return _done("nothing", "dashboard.videos", project=project)
    if request.method == "POST":
        for row in rows:
            ours.store.requeue_job(row.job)
        ours.preannotator.catch_up_soon(project)
        return _done("retried", "dashboard.videos", project=project)
    return _ask(
        f"Analyze {counted(len(rows), 'video')} of {page_links().title(project)} once more?",
        "They failed because something did not answer or a process died, which may be gone. Videos that cannot be read "
        "are left alone.",
        "Try again",
        url_for("dashboard.videos", project=project, state="failed"),
    )


def _ask(question: str, follows: str, button: str, back: str, warning: str = "") -> str:
    return render_template(
        "confirm.html", question=question, follows=follows, button=button, back=back, warning=warning, said=""
    )


def _done(what: str, endpoint: str, **values: Any) -> ResponseReturnValue:
    return redirect(url_for(endpoint, done=what, **values), 303)
