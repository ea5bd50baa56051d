#!/usr/bin/env bash
# PyAV 18.1.0: a video frame whose `side_data` was read once is part of a reference cycle with it. Its pixels are freed
# not when the last name for it is gone, but when Python's cyclic garbage collector runs, which counts Python objects and
# not their megabytes: a loop over 1080p that only asks each frame how it is turned holds as many frames as the
# collector is late. `frame.rotation`, which comes from the same side data, does no such thing. Who wants the display
# matrix (a mirrored picture cannot be told from its angle) reads it once for each angle.
#
# Seen with av 18.1.0, 90 frames, the collector switched off:
#   frames alive after the loop, only decoded: 1 or none
#   after the loop, rotation was read: 1 or none
#   after the loop, side_data was read: 90
#   after gc.collect(): 1 or none
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet av==18.1.0 numpy==2.4.6
cat > "$folder/look.py" <<'PYTHON'
import gc

import av
import numpy as np

with av.open("clip.mp4", "w") as target:
    stream = target.add_stream("libx264", rate=30)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    for number in range(90):
        picture = np.full((48, 64, 3), number, np.uint8)
        target.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
    target.mux(stream.encode())


def alive():
    count = sum(isinstance(one, av.VideoFrame) for one in gc.get_objects())
    return count if count > 1 else "1 or none"


def after_a_loop(read):
    gc.collect()
    with av.open("clip.mp4") as source:
        for frame in source.decode(video=0):
            read(frame)
    return alive()


gc.disable()
print("frames alive after the loop, only decoded:", after_a_loop(lambda frame: None))
print("after the loop, rotation was read:", after_a_loop(lambda frame: frame.rotation))
print("after the loop, side_data was read:", after_a_loop(lambda frame: frame.side_data))
gc.collect()
print("after gc.collect():", alive())
PYTHON
seen=$(cd "$folder" && "$folder/venv/bin/python" look.py)
echo "$seen"
diff <(echo "$seen") <(sed -n 's/^#   //p' "$0")
