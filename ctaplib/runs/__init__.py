"""What a run leaves behind: log, state, curves, previews."""
