"""Batches, totals, reconciliation and reports."""
