"""The authenticated CBOR line to the acquirer."""
