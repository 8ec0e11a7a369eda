"""The one object graph: which parts a terminal is made of, and in which order they stop."""
