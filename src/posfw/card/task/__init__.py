"""Devices on serial ports, kept open and read: stripe reader, NEO 2 reader, scanner, PIN pad."""
