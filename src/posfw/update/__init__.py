"""Replacing the program: two slots, signed bundles, a way back."""
