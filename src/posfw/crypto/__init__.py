"""Pure cryptography over key bytes or a SecureElement: AES DUKPT, COSE, PIN blocks."""
