"""Building blocks that know nothing of speech."""
