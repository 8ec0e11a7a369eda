"""Hardware through the kernel's own files below a root, so that tests hand in a tree of theirs.

File calls may wait for an I2C bus, so they run on a worker thread, one at a time a device.
"""
