"""Unit tests of backends.kube."""
