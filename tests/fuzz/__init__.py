"""Fuzzing of every parser: `make fuzz SECONDS=n`."""
