"""The image of a board in QEMU: the host's simulators on its ports, a business day."""
