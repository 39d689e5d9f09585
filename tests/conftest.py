"""Fixtures every folder of tests shares, by the module that owns them."""

pytest_plugins = ["tests.controlplane.fixtures"]
