"""The wheel works without the sources beside it: built, installed into an environment of its own, and used there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from labelled_project import LabelledProject
from places import LABELING_CONFIG, ROOT

from backend.storage.jobs import Store
from pipeline.synthetic import demo_plan
from pipeline.synthetic.drawing import render

_BUILT_FROM = ("pyproject.toml", "README.md", "LICENSE", "labeling_config.xml", "pipeline", "backend")
_Run = Callable[..., str]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left between the sources."""
    sources, out = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("wheel")
    for name in _BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, sources / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, sources / name)
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    subprocess.run([*pip, "--wheel-dir", str(out), str(sources)], check=True)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def deadlift(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> _Run:
    """Runs `deadlift` of an environment that has the wheel.

    The libraries that it needs are those of the tests' own environment, by a path file: gigabytes need not be
    installed anew, and the project itself comes from the wheel alone (path files there are not looked at).
    """
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", str(wheel)], check=True)
    site = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"], text=True
    )
    (Path(site.strip()) / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"DATA_DIR": str(folder / "data"), "OMP_NUM_THREADS": "1"}

    def run(*arguments: object) -> str:
        command = [str(python.with_name("deadlift")), *map(str, arguments)]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("videos") / "drawn.mp4"
    render(demo_plan(), path)
    return path


def test_it_runs_from_the_wheel(deadlift: _Run, wheel: Path) -> None:
    assert deadlift("--version").strip() == f"deadlift {wheel.name.split('-')[1]}"


def test_it_holds_types_models_pages_and_the_labeling_config(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert archive.read("backend/labelstudio/labeling_config.xml") == LABELING_CONFIG.read_bytes()
    assert {
        "pipeline/py.typed",
        "backend/py.typed",
        "pipeline/anomaly/base_model/weights.safetensors",
        "pipeline/visuals/templates/set_report.html",
        "backend/web/templates/projects.html",
        "backend/web/static/dashboard.css",
        "backend/local_labelstudio/labelstudio_constraints.txt",
    } <= names


def test_it_holds_every_module(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    modules = {
        str(path.relative_to(ROOT)) for package in ("pipeline", "backend") for path in (ROOT / package).rglob("*.py")
    }
    assert modules <= names


def test_predict(deadlift: _Run, video: Path) -> None:
    (found,) = json.loads(deadlift("predict", video, "--json", "-"))
    assert len(found["reps"]) == 6


def test_render(deadlift: _Run, video: Path, tmp_path: Path) -> None:
    deadlift("render", video, "--out", tmp_path / "annotated")
    assert [path.suffix for path in (tmp_path / "annotated").iterdir()] == [".mp4"]


def test_prelabel_into_files(deadlift: _Run, video: Path, tmp_path: Path) -> None:
    deadlift("prelabel", video.parent, "--out", tmp_path / "out")
    (task,) = json.loads((tmp_path / "out" / "tasks.json").read_text())
    assert len(task["predictions"]) == 1


def test_export_verify(deadlift: _Run, store: Store, tmp_path: Path) -> None:
    project = LabelledProject(store, tmp_path)
    project.add_video(1)
    project.label(1)
    version = project.export().stored.folder
    assert "v0001" in deadlift("export", "--verify", version)
