"""Board profiles: what the hardware is."""
