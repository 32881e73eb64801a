"""Words to phones to token ids."""
