"""A real Kubernetes control plane for the tests: its binaries, its processes, its fixtures."""
