"""Hosts of Git repositories: what they list for generators of ApplicationSets, and their pull requests."""
