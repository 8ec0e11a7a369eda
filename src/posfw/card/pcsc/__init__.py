"""Chip cards through PC/SC: slots that tell insertion and removal, cards that answer commands."""
