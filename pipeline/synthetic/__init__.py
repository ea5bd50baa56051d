"""A synthetic deadlift with exact ground truth: plans, the pose that a perfect estimator would find, and the true reps.

`pose_of` and `reps_of` need no video; `pipeline.synthetic.drawing.render` draws the same plan as one.
"""

from pipeline.synthetic.body import skeleton_of
from pipeline.synthetic.plan import (
    FAULT_KINDS,
    FAULTS,
    Camera,
    Cut,
    FaultKind,
    Lifter,
    LiftPlan,
    RepPlan,
    Timeline,
    timeline_of,
)
from pipeline.synthetic.pose import (
    VISIBLE_M,
    View,
    add_jitter,
    drop_poses,
    frame_times,
    occlude,
    pose_of,
    reps_of,
    shots_of,
    view_of,
)
from pipeline.synthetic.random_plans import demo_plan, random_camera, random_lifter, random_plan

__all__ = [
    "FAULTS",
    "FAULT_KINDS",
    "VISIBLE_M",
    "Camera",
    "Cut",
    "FaultKind",
    "LiftPlan",
    "Lifter",
    "RepPlan",
    "Timeline",
    "View",
    "add_jitter",
    "demo_plan",
    "drop_poses",
    "frame_times",
    "occlude",
    "pose_of",
    "random_camera",
    "random_lifter",
    "random_plan",
    "reps_of",
    "shots_of",
    "skeleton_of",
    "timeline_of",
    "view_of",
]
