"""Fingerprints: 128-bit hashes of what a task computes."""
