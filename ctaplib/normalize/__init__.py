"""Text as written to words as spoken."""
