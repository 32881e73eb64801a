"""Methods that `--method` can name, one module each; nothing here imports torch."""
