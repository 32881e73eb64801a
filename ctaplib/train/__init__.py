"""How it is trained."""
