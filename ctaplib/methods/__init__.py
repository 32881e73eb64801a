"""What `--method` names: a module for each method, without torch."""
