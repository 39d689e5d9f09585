"""The vocabulary that every layer shares: pure data, no I/O, no clock."""
