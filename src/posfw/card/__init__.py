"""Every way a card comes in."""
