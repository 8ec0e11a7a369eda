"""Receipts on paper without cooking the head."""
