"""The EMV contact kernel: APDU in, APDU out."""
