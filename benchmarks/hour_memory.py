"""How much memory `deadlift predict` takes for a long recording, minute by minute.

    python benchmarks/hour_memory.py CLIP.mp4 [--minutes 60]

The recording is the clip again and again, its packets copied. Printed: the resident memory at the end of every tenth of
the time that predicting takes, the peak, and whether the second half needed more than the first.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from psutil import NoSuchProcess, Process

from pipeline.media import reading

_EVERY_S = 0.25
_MIB = 2**20
_HERE = Path(__file__).resolve().parent.parent


def repeated(clip: Path, path: Path, seconds: float) -> None:
    """Write the clip's pictures again and again, for so many seconds, without encoding them anew."""
    shift, shifted_s = 0, 0.0
    with av.open(str(path), "w") as target:
        stream = None
        while shifted_s < seconds:
            with av.open(str(clip)) as source:
                pictures = source.streams.video[0]
                stream = stream or target.add_stream_from_template(pictures)
                end, begin = 0, None
                for packet in source.demux(pictures):
                    if packet.dts is None or packet.pts is None:
                        continue
                    if begin is None:
                        begin = packet.dts
                        shift -= min(begin, 0)  # decoded before it is shown: not before the end of what came before
                    end = max(end, packet.pts + (packet.duration or 0), packet.dts + (packet.duration or 0))
                    packet.dts, packet.pts, packet.stream = packet.dts + shift, packet.pts + shift, stream
                    target.mux(packet)
                shift += end
                shifted_s = float(shift * (pictures.time_base or 0))


def resident_mib(command: list[str], folder: str) -> list[float]:
    """Resident memory of a command and its children while it runs, MiB."""
    environment = os.environ | {"PYTHONPATH": str(_HERE), "DATA_DIR": folder}
    running = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    found = []
    process = Process(running.pid)
    while running.poll() is None:
        try:
            found.append(sum(one.memory_info().rss for one in (process, *process.children(recursive=True))) / _MIB)
        except NoSuchProcess:
            continue
        time.sleep(_EVERY_S)
    if running.returncode:
        raise SystemExit(f"deadlift predict failed with exit code {running.returncode}.")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "recording.mp4"
        repeated(arguments.clip, path, 60.0 * arguments.minutes)
        info = reading.probe(path)
        start = "from backend.cli import main; main()"
        command = [sys.executable, "-c", start, "predict", str(path), "--json", os.devnull]
        memory = np.array(resident_mib(command, folder))
    print(f"{info.duration_s / 60:.1f} minutes, {info.width}x{info.height}, {info.fps:.1f} pictures per second")
    print("MiB by tenth of the time:", *(f"{part[-1]:.0f}" for part in np.array_split(memory, 10)))
    first, second = (float(half.max()) for half in np.array_split(memory, 2))
    print(f"peak {memory.max():.0f} MiB; first half {first:.0f}, second half {second:.0f}")


if __name__ == "__main__":
    main()
