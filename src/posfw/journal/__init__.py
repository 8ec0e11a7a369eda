"""The append-only record that money rests on."""
