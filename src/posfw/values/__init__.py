"""What every floor of the house speaks: money, cards, keys, outcomes, documents, errors."""
