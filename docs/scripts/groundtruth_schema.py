"""Prints the JSON schema of ground truth: python docs/scripts/groundtruth_schema.py >docs/groundtruth.schema.json"""

from __future__ import annotations

import json

from pipeline.learning.groundtruth import groundtruth_schema

print(json.dumps(groundtruth_schema(), indent=2))
