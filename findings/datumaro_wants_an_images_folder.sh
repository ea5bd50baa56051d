#!/usr/bin/env bash
# datumaro 1.13.12 does not read COCO annotations where the dataset has no folder `images`, though it needs none of the
# pictures: an empty folder is enough. Recognising the format (detect_dataset) works without it. And the message says
# that the dataset "cannot be imported" by whatever format was asked for; the reason is in its cause.
#
# Seen with datumaro 1.13.12:
#   recognised as ['coco_person_keypoints']
#   without the folder: DatasetImportError, of DatasetImportError
#   with an empty folder: 1 picture
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet datumaro==1.13.12
cat > "$folder/look.py" <<'PYTHON'
import json
from pathlib import Path

import datumaro

root = Path("set")
(root / "annotations").mkdir(parents=True)
person = {"id": 1, "name": "person", "keypoints": ["nose"], "skeleton": []}
one = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4], "area": 16, "iscrowd": 0, "segmentation": []}
one |= {"keypoints": [2, 3, 2], "num_keypoints": 1}
image = {"id": 1, "file_name": "a.jpg", "width": 8, "height": 8}
content = {"images": [image], "annotations": [one], "categories": [person]}
(root / "annotations" / "person_keypoints_train.json").write_text(json.dumps(content))
print("recognised as", datumaro.Environment().detect_dataset(str(root)))
for folder in (None, root / "images"):
    if folder is not None:
        folder.mkdir()
    what = "with an empty folder" if folder else "without the folder"
    try:
        print(f"{what}: {len(datumaro.Dataset.import_from(str(root), 'coco_person_keypoints'))} picture")
    except Exception as error:
        print(f"{what}: {type(error).__name__}, of {type(error.__cause__).__name__}")
PYTHON
seen=$(cd "$folder" && "$folder/venv/bin/python" look.py 2> errors || { cat errors >&2; exit 1; })
echo "$seen"
diff <(echo "$seen") <(sed -n 's/^#   //p' "$0")
