"""The controllers of an embedded cluster: what kube-controller-manager, the scheduler and a kubelet would do.

Owns: the behaviour of workloads, Services, volumes and Pods. Woken by the store's events, never by polling.
Called by the demo and by tests, which start `manager.Controllers` on a store. Garbage collection and the deletion of
namespaces belong to the store and are never here.
"""
