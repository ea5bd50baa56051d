"""What predicting a long recording with pauses costs: CPU seconds and seconds, beside a revision of this project.

    python benchmarks/long_recording_cost.py CLIP.mp4 [--against REV] [--minutes 10] [--lifting 0.33]

The recording is a video file composed of the clip, as often as it takes to fill the share of the time in which somebody
lifts, and between them of its first second played forth and back: the clip should begin with somebody who stands there.
Each side predicts it in a process of its own, as a user starts it; POSE_ENGINE and others are passed on. Compiled pose
networks are found where an earlier start left them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import chain, cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import av
from original_loop import HERE, predicting, worktree

from pipeline.media import reading
from pipeline.media.display import Picture


def pictures(clip: Path, fps: float, length_s: float, seconds: float, lifting: float) -> Iterator[Picture]:
    """The recording's pictures. length_s: of the clip. seconds: of the recording. lifting: share (0..1) of the clip."""
    still = [picture for _, picture in reading.frames(clip, between=(0.0, 1.0))]
    times = max(1, round(seconds * lifting / length_s))
    pause = round((seconds - times * length_s) / (times + 1) * fps)
    if pause < 0:
        raise ValueError(f"Expected a recording longer than the clip of {length_s:.0f} s, got {seconds:.0f} s.")
    for number in range(times + 1):
        yield from islice(cycle(chain(still, still[-2:0:-1])), pause)
        if number < times:
            yield from (picture for _, picture in reading.frames(clip))


def compose(clip: Path, path: Path, seconds: float, lifting: float) -> None:
    """Write the recording of so many seconds."""
    info = reading.probe(clip)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=round(info.fps))
        stream.width, stream.height, stream.pix_fmt = info.width // 2 * 2, info.height // 2 * 2, "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "23"}
        for picture in pictures(clip, info.fps, info.duration_s, seconds, lifting):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--against", metavar="REV", help="a git revision of this project to run beside")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--lifting", type=float, default=1 / 3, help="share of the time that the clip fills")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "recording.mp4"
        compose(arguments.clip, path, 60.0 * arguments.minutes, arguments.lifting)
        length_s = reading.probe(path).duration_s
        cpu_s, waited_s = predicting(HERE, path)
        print(f"{length_s:.0f} s of {arguments.clip.name}: {cpu_s:.1f} CPU s, {waited_s:.1f} s")
        if arguments.against:
            with worktree(arguments.against) as tree:
                other_s, other_waited_s = predicting(tree, path)
            ratios = f"{other_s / cpu_s:.2f} and {other_waited_s / waited_s:.2f} times"
            print(f"{arguments.against}: {other_s:.1f} CPU s, {other_waited_s:.1f} s; {ratios}")


if __name__ == "__main__":
    main()
