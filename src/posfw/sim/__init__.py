"""Simulators that speak the wire of the real part; never in a shipped image."""
