"""The models of each project: numbered versions on disk, and the detector of one of them."""
