#!/usr/bin/env bash
# FiftyOneTemporalDetectionDatasetImporter(compute_metadata=True) of FiftyOne 1.22.1 gives every video the metadata of the
# video before it, and the first one none: it asks for the metadata before it passes on the sample. Labels given as
# timestamps become frames by that other video's frame rate. Without compute_metadata, or with frames ("support"), all
# is right.
#
# Seen with fiftyone 1.22.1, opencv-python-headless 4.14.0.94:
#   compute_metadata=False, a.mp4: rate None, frames [6, 11]
#   compute_metadata=False, b.mp4: rate None, frames [13, 25]
#   compute_metadata=True, a.mp4: rate None, frames [6, 11]
#   compute_metadata=True, b.mp4: rate 10.0, frames [6, 11]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet fiftyone==1.22.1 opencv-python-headless==4.14.0.94
cat > "$folder/look.py" <<'PYTHON'
import json
from pathlib import Path

import cv2
import fiftyone.utils.data as foud
import numpy as np

Path("videos").mkdir()
for name, rate in (("a", 10), ("b", 25)):
    writer = cv2.VideoWriter(f"videos/{name}.mp4", cv2.VideoWriter_fourcc(*"mp4v"), rate, (64, 48))
    for _ in range(2 * rate):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
labels = {name: [{"label": 0, "timestamps": [0.5, 1.0]}] for name in ("a", "b")}
Path("labels.json").write_text(json.dumps({"classes": ["rep"], "labels": labels}))
for computed in (False, True):
    importer = foud.FiftyOneTemporalDetectionDatasetImporter(
        data_path=str(Path("videos").resolve()), labels_path=str(Path("labels.json").resolve()), compute_metadata=computed
    )
    with importer:
        for path, metadata, label, _ in importer:
            rate = metadata.frame_rate if metadata else None
            shown = f"{Path(path).name}: rate {rate}, frames {list(label.detections[0].support)}"
            print(f"compute_metadata={computed}, {shown}")
PYTHON
seen=$(cd "$folder" && FIFTYONE_DO_NOT_TRACK=true HOME="$folder" "$folder/venv/bin/python" look.py 2> errors || { cat errors >&2; exit 1; })
echo "$seen"
diff <(echo "$seen") <(sed -n 's/^#   //p' "$0")
