"""A financial transaction from card to outcome."""
