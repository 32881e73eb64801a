"""The stages of a recipe: plan, stamps, processes."""
