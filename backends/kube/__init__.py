"""Kubernetes API servers: kubeconfig, HTTP, discovery, watches, writes.

Importing this package loads nothing. `backends.kube.kubeconfig` and `backends.kube.cluster` are cheap; what needs
aiohttp is imported by them at the first request, so that a first frame never waits for the network stack.
"""
