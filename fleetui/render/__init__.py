"""Files of a Git tree become manifests, by Argo CD's, Flux's and Kubernetes' rules. Pure: no I/O, no clock."""

from fleetui.render.substitute import substitute

__all__ = ["substitute"]
