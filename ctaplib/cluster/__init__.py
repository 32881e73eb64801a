"""Where programs run: job arrays, Slurm, the launcher of training."""
