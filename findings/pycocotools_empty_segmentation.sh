#!/usr/bin/env bash
# `segmentation: []`, as datasets of keypoints have it, is enough for pycocotools to index, list and evaluate annotations,
# but not for annToRLE and annToMask: 2.0.11 raises IndexError from inside its C code's wrapper, without naming the
# annotation. Where `segmentation` is missing it is KeyError. Masks of such annotations have to be made of the box.
#
# Seen with pycocotools 2.0.11:
#   segmentation []: IndexError: list index out of range
#   segmentation None: KeyError: 'segmentation'
#   segmentation [[1, 1, 5, 1, 5, 5]]: a mask of 6 pixels
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pycocotools==2.0.11
cat > "$folder/look.py" <<'PYTHON'
import contextlib
import io
import json

from pycocotools.coco import COCO

for segmentation in ([], None, [[1, 1, 5, 1, 5, 5]]):
    one = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4], "area": 16, "iscrowd": 0}
    one |= {"keypoints": [1, 1, 2], "num_keypoints": 1}
    if segmentation is not None:
        one["segmentation"] = segmentation
    with open("coco.json", "w") as file:
        images, categories = [{"id": 1, "width": 8, "height": 8}], [{"id": 1, "name": "person", "keypoints": ["nose"]}]
        json.dump({"images": images, "categories": categories, "annotations": [one]}, file)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO("coco.json")
    try:
        print(f"segmentation {segmentation}: a mask of {coco.annToMask(coco.anns[1]).sum()} pixels")
    except Exception as error:
        print(f"segmentation {segmentation}: {type(error).__name__}: {error}")
PYTHON
seen=$(cd "$folder" && "$folder/venv/bin/python" look.py)
echo "$seen"
diff <(echo "$seen") <(sed -n 's/^#   //p' "$0")
