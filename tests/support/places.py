"""Where tests find things: the project's root, its labeling config, captured requests, real clips."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAYLOADS = ROOT / "tests" / "data" / "payloads"
RELEASE_0_1_0 = PAYLOADS.parent / "release-0.1.0"
"""What the last release kept, as it wrote it."""
LABELING_CONFIG = ROOT / "labeling_config.xml"
SHARED = Path(os.environ.get("DEADLIFT_SHARED", ROOT.parent / "shared"))
"""Real clips are not part of the project: tests that need them skip where this folder is absent."""
