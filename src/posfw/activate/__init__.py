"""From the factory to the first live sale."""
