"""The pages as HTML: each of them one value by a template."""

from __future__ import annotations

from flask import Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from backend.errors import NotInLabelStudio
from backend.labels.corrections import KINDS
from backend.models.figures import unlike
from backend.models.registry import BASE
from backend.web.dashboard import arguments, words
from backend.web.dashboard.blueprint import bp
from backend.web.dashboard.labels import corrections_view, labels_view
from backend.web.dashboard.models import learnt_from, model_view, model_views, models_view
from backend.web.dashboard.pictures import columns, columns_of_phases, lockout_svg, motion_png, rows_of_body
from backend.web.dashboard.projects import projects_view
from backend.web.dashboard.quality import quality_view
from backend.web.dashboard.video import analyzed, video_view
from backend.web.dashboard.videos import videos_view
from backend.web.links import Links, links
from backend.web.routes import health
from backend.web.services import services

_KEPT_S = 3600
"""Drawings of an analysis never change: their addresses name the analysis."""


def page_links() -> Links:
    """Titles and addresses in Label Studio, for the page that is being answered."""
    ours = services()
    return links(ours.context.current_access(), ours.titles, [found.id for found in ours.store.projects()])


@bp.get("/")
def projects() -> ResponseReturnValue:
    """The page for browsers; Label Studio and other programs, which do not ask for HTML, get the answer of /health."""
    if request.accept_mimetypes["text/html"] <= request.accept_mimetypes["application/json"]:
        return health()
    return _page("projects.html", view=projects_view(services(), page_links()))


@bp.get("/videos")
def videos() -> ResponseReturnValue:
    shown, wanted, order = page_links(), arguments.video_filter(), arguments.order()
    view = videos_view(services().context, shown, wanted, order, arguments.page_number())
    return _page("videos.html", view=view, wanted=wanted, order=order, projects=_projects(shown))


@bp.get("/videos/<int:task>")
def video(task: int) -> ResponseReturnValue:
    ours = services()
    view = video_view(ours.context, page_links(), task, arguments.whole("project"))
    found = analyzed(ours.context, task, view.line.project)
    length = columns(ours.context, found) if found is not None and view.reps else 1
    body, phases = rows_of_body(), columns_of_phases(length)
    return _page("video.html", view=view, length=length, body=body, phases=phases)


@bp.get("/videos/<int:task>/skeleton.svg")
def skeleton(task: int) -> ResponseReturnValue:
    found = analyzed(services().context, task, arguments.whole("project"))
    if found is None:
        raise NotInLabelStudio(f"The video of task {task} is not analyzed yet.")
    return _drawing(lockout_svg(services().context, found), "image/svg+xml")


@bp.get("/videos/<int:task>/motion.png")
def motion(task: int) -> ResponseReturnValue:
    found = analyzed(services().context, task, arguments.whole("project"))
    picture = motion_png(services().context, found) if found is not None else None
    if picture is None:
        raise NotInLabelStudio(f"No repetition of task {task} can be drawn: its landmarks are no longer kept.")
    return _drawing(picture, "image/png")


@bp.get("/models")
def models() -> ResponseReturnValue:
    shown = page_links()
    project = _project(shown)
    if project is None:
        return _page("nothing.html", title="Models")
    view = models_view(services(), shown, project, arguments.page_number())
    return _page("models.html", view=view, projects=_projects(shown))


@bp.get("/models/<int:project>/<name>")
def model(project: int, name: str) -> ResponseReturnValue:
    return _page("model.html", view=model_view(services(), page_links(), project, name))


@bp.get("/models/<int:project>/<name>/labels")
def model_labels(project: int, name: str) -> ResponseReturnValue:
    shown = page_links()
    lines = learnt_from(services(), shown, project, name)
    return _page("model_labels.html", lines=lines, project=project, name=name, title=shown.title(project))


@bp.get("/models/<int:project>/compare")
def compare(project: int) -> ResponseReturnValue:
    names = request.args.get("first", ""), request.args.get("second", "")
    if not all(names) or names[0] == names[1]:
        there = [version.name for version in services().registry.versions(project)[::-1]]
        title = page_links().title(project)
        return _page("choose.html", there=[*there, BASE], chosen=names[0], project=project, title=title)
    views = model_views(services(), page_links(), project, names)
    runs = [services().registry.version(project, name).run for name in names if name != BASE]
    differences = unlike(*runs) if len(runs) == len(names) else ""
    return _page("compare.html", views=views, project=project, title=views[0].title, differences=differences)


@bp.get("/labels")
def labels() -> ResponseReturnValue:
    shown = page_links()
    project = _project(shown)
    if project is None:
        return _page("nothing.html", title="Labels")
    return _page("labels.html", view=labels_view(services().context, shown, project), projects=_projects(shown))


@bp.get("/labels/repetitions")
def repetitions() -> ResponseReturnValue:
    shown = page_links()
    project = _project(shown)
    if project is None:
        return _page("nothing.html", title="Labels")
    view = corrections_view(services().store, shown, project, arguments.page_number(), *correction_filter())
    return _page("repetitions.html", view=view)


@bp.get("/quality")
def quality() -> ResponseReturnValue:
    shown = page_links()
    view = quality_view(services().context, shown, arguments.whole("project"))
    return _page("quality.html", view=view, projects=_projects(shown))


# What is left of an address that somebody cut. Lists name their project behind a question mark.


@bp.get("/<any(models, labels, quality):page>/<int:project>")
def of_project(page: str, project: int) -> ResponseReturnValue:
    return redirect(url_for(f"dashboard.{page}", project=project))


@bp.get("/projects")
@bp.get("/projects/<int:project>")
def one_project(project: int | None = None) -> ResponseReturnValue:
    return redirect(url_for("dashboard.projects", _anchor=None if project is None else f"project-{project}"))


@bp.get("/runs")
@bp.get("/runs/<int:run>")
def trainings(run: int | None = None) -> ResponseReturnValue:
    project = None if run is None else services().trainer.runs.run(run).project
    return redirect(url_for("dashboard.models", project=project, _anchor="trainings"))


def correction_filter() -> tuple[str | None, int | None, str | None]:
    """Kind, annotator and model version that a request asks for; a version that is given empty means none."""
    version = request.args.get("version")
    return arguments.choice("kind", KINDS), arguments.whole("annotator"), version


def _page(template: str, **values: object) -> str:
    said = words.DONE.get(request.args.get("done", ""), "")
    return render_template(template, said=said, **values)


def _projects(shown: Links) -> list[tuple[int, str]]:
    return [(found.id, shown.title(found.id)) for found in services().store.projects()]


def _project(shown: Links) -> int | None:
    """The project that a request names, or else the first one; an unknown one is a page that is not there."""
    known = [number for number, _ in _projects(shown)]
    named = arguments.whole("project")
    if named is not None and named not in known:
        raise NotInLabelStudio(f"Project {named} is not connected to this server.")
    return named if named is not None else (known[0] if known else None)


def _drawing(content: str | bytes, kind: str) -> Response:
    answer = Response(content, mimetype=kind)
    answer.cache_control.private = True
    answer.cache_control.max_age = _KEPT_S
    return answer
