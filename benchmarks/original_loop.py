"""CPU seconds per second of video: the loop of the published project against ours, on the same clip in one run.

    python benchmarks/original_loop.py CLIP.mp4 [--seconds 10] [--against REV]

The published project looks at every frame twice (once to cut repetitions, once to write the annotated video): pose at
full size, the skeleton drawn into the picture, and a random forest of 100 trees asked twice for a table of one row.
Here its loop is rebuilt from that description, with a forest fitted to random numbers (the cost of a prediction does
not depend on what was learned), and measured on the first seconds of the clip. Ours is all of `analyze_video`, with
the POSE_ENGINE that is set.

With --against, `deadlift predict` of the clip is also run as a user starts it, by this tree and by a git revision of
this project in a worktree, with the same libraries: user and system time, and how long people wait.
"""

from __future__ import annotations

import argparse
import compileall
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import cv2
import mediapipe as mp
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from backend.settings import Settings, networks_dir
from pipeline.analyze import analyze_video
from pipeline.anomaly.detector import load_detector
from pipeline.media import reading
from pipeline.pose.cache import PoseCache
from pipeline.pose.estimator import open_estimator

_PASSES = 2
_ROW = 33 * 4
HERE = Path(__file__).resolve().parent.parent
AS_USERS = {"PYTHONDONTWRITEBYTECODE": ""}
"""Without it Python compiles the modules of a tree once, as an installation does, and not at each start."""


def pictures(path: Path, seconds: float) -> Iterator[NDArray[np.uint8]]:
    """BGR pictures of the clip's beginning, every frame, as cv2.VideoCapture gives them."""
    capture = cv2.VideoCapture(str(path))
    try:
        while capture.get(cv2.CAP_PROP_POS_MSEC) < seconds * 1000:
            found, picture = capture.read()
            if not found:
                return
            yield np.asarray(picture, np.uint8)
    finally:
        capture.release()


def original_pass(path: Path, seconds: float, forest: RandomForestClassifier) -> int:
    """One pass of the published loop; returns the number of frames."""
    drawing = mp.solutions.drawing_utils
    connections = mp.solutions.pose.POSE_CONNECTIONS
    count = 0
    with mp.solutions.pose.Pose(min_detection_confidence=0.5, min_tracking_confidence=0.5) as pose:
        for picture in pictures(path, seconds):
            result = pose.process(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
            count += 1
            if result.pose_landmarks is None:
                continue
            drawing.draw_landmarks(picture, result.pose_landmarks, connections)
            row = [[v for p in result.pose_landmarks.landmark for v in (p.x, p.y, p.z, p.visibility)]]
            forest.predict(row)
            forest.predict_proba(row)
    return count


@contextmanager
def worktree(revision: str) -> Iterator[Path]:
    """The files of a revision of this project."""
    with TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        subprocess.run(
            ["git", "worktree", "add", "--detach", tree, revision], cwd=HERE, check=True, capture_output=True
        )
        try:
            yield tree
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=HERE, check=True, capture_output=True)


def predicting(tree: Path, clip: Path, **environment: str) -> tuple[float, float]:
    """CPU seconds and seconds that `deadlift predict` of a tree takes, with nothing known of the clip."""
    with TemporaryDirectory() as folder:
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            [
                sys.executable,
                "-c",
                "from backend.cli import main; main()",
                "predict",
                clip.resolve(),
                "--json",
                os.devnull,
            ],
            cwd=folder,
            env=os.environ | AS_USERS | {"PYTHONPATH": str(tree), "DATA_DIR": folder} | environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        after, waited = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - began
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, waited


def against(revision: str, clip: Path) -> None:
    """Print what predicting costs by a revision, with and without a limit on its threads, and by this tree."""
    with worktree(revision) as tree:
        for code in (tree / "backend", tree / "pipeline", HERE / "backend", HERE / "pipeline"):
            compileall.compile_dir(code, quiet=1)
        rows = {
            revision: predicting(tree, clip),
            f"{revision}, OMP_NUM_THREADS=1": predicting(tree, clip, OMP_NUM_THREADS="1"),
        }
    cpu_s, waited_s = predicting(HERE, clip)
    print(f"predict        {cpu_s:6.2f} CPU s, {waited_s:.2f} s")
    for name, (other_s, other_waited_s) in rows.items():
        ratios = f"{other_s / cpu_s:.2f} and {other_waited_s / waited_s:.2f} times"
        print(f"{name}: {other_s:.2f} CPU s, {other_waited_s:.2f} s; {ratios}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0, help="how much of the clip the published loop looks at")
    parser.add_argument("--against", metavar="REV", help="a git revision of this project to run beside")
    arguments = parser.parse_args()
    info = reading.probe(arguments.clip)
    seconds = min(arguments.seconds, info.duration_s)
    random = np.random.default_rng(0)
    forest = RandomForestClassifier(n_estimators=100, random_state=0)
    forest.fit(random.random((502, _ROW)), random.integers(0, 2, 502))

    began = time.process_time()
    frames = sum(original_pass(arguments.clip, seconds, forest) for _ in range(_PASSES))
    theirs = (time.process_time() - began) / seconds

    detector, config = load_detector(), Settings().pipeline_config()
    with TemporaryDirectory() as folder, open_estimator(config.pose, networks_dir()) as estimator:
        began = time.process_time()
        analysis = analyze_video(arguments.clip, detector, PoseCache(folder), config, estimator)
        ours = (time.process_time() - began) / info.duration_s

    print(f"{arguments.clip.name}: {info.fps:.2f} fps, {info.width}x{info.height}, {info.duration_s:.1f} s")
    per_frame_ms = 1000 * theirs * seconds / frames
    print(f"published loop {theirs:6.3f} CPU s per s of video ({per_frame_ms:.0f} ms per frame and pass)")
    print(f"ours           {ours:6.3f} CPU s per s of video ({len(analysis.reps)} reps found)")
    print(f"ratio          {theirs / ours:6.1f}")
    if arguments.against:
        against(arguments.against, arguments.clip)
    print(f"versions       av {av.__version__}, cv2 {cv2.__version__}, mediapipe {mp.__version__}")


if __name__ == "__main__":
    main()
