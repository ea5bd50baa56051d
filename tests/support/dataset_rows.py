"""A row of an exported dataset."""

from __future__ import annotations

from pipeline.datasets.rows import ExportedRep

ROW = ExportedRep(
    rep="squad_rep_0",
    video="/data/upload/1/squad.mp4",
    digest="d" * 64,
    name="squad",
    number=0,
    start_s=1 / 3,
    end_s=2.5,
    label="normal",
    origin="untouched",
    split="train",
    task=5,
    annotation=6,
    annotator=7,
    region="rep1",
    labeled_at="2026-01-31T12:00:00.5Z",
    faults=("Hitching", "Rounded back"),
    files={"landmarks": "landmarks/squad_rep_0.npz"},
)
