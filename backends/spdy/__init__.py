"""SPDY/3.1, as far as Kubernetes speaks it: streams side by side over one connection.

`frames` is what goes over the wire, `connection` the streams. Used on both ends: port-forward is SPDY in a websocket
(KEP-4006), for `backends.kube` as for the embedded servers. No socket here, and no Kubernetes.
"""
