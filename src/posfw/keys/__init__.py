"""Secure elements: software and PKCS#11."""
