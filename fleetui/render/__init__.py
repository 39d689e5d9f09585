"""Files of a Git tree become manifests, by Argo CD's and Kubernetes' rules. Pure: no I/O, no clock."""
