"""What is trained: data, model and losses joined."""
