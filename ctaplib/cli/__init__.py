"""The command `ctap`."""
