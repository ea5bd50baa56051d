"""How long `deadlift doctor` takes beside a real Label Studio with a connected project, where nothing hangs.

    python benchmarks/doctor_time.py [--rounds 5]

Starts a Label Studio and our server, connects a project with one predicted video, and runs the command as people do.
Printed of each round: seconds until it ends, and processor seconds of all its processes.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
from backend_process import wait_for
from real_label_studio import beside_label_studio

from backend.labelstudio.labeling_config import default_config
from backend.local_labelstudio.demo import BACKEND_TITLE
from pipeline import synthetic
from pipeline.synthetic.drawing import render


def processor_s() -> float:
    """Of all processes that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="doctor-time-") as name, beside_label_studio(Path(name)) as started:
        server, client, _ = started
        clip = Path(name) / "clip.mp4"
        render(synthetic.LiftPlan((synthetic.RepPlan(),), width=320, height=240, fps=10.0), clip)
        project = client.create_project("Doctor", default_config())
        client.connect_backend(project, server.url, BACKEND_TITLE)
        client.upload(project, clip, "clip.mp4")
        wait_for(lambda: all(versions for _, _, versions in client.tasks(project)), 600, 1.0)
        for number in range(1, arguments.rounds + 1):
            begun, before = time.perf_counter(), processor_s()
            said = server.deadlift("doctor")
            taken, spent = time.perf_counter() - begun, processor_s() - before
            print(
                f"round {number}: {taken:.1f} s, {spent:.1f} processor s; {said.strip().splitlines()[-1]}", flush=True
            )


if __name__ == "__main__":
    main()
