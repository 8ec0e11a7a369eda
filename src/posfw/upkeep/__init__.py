"""Maintenance, counters and backups."""
