"""Where work runs: Dask workers for predictions, processes of low priority for training."""
