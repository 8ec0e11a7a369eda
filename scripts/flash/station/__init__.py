"""The flashing bench: write, provision, test, record. Standard library only, no environment."""
