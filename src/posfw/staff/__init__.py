"""Operators: who may do what, passwords, lock-out."""
