"""fleetui: a terminal console for a GitOps fleet, with an async reconcile engine behind it."""

__version__ = "0.1.0"
