"""RESULTS.md and the page with audio and plots."""
