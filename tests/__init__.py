"""The tests, at the same paths as what they test."""
