"""Simulated chip cards, their issuer and a PIN pad: the other side of the contact kernel.

Keys are generated for every process and never leave it; nothing here imports the kernel's own
cryptography, so that a mistake in it cannot cancel out.
"""
