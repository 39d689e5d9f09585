"""ApplicationSets: the Applications that they make, as Argo CD 3.6 makes them (`applicationset/`)."""

from fleetui.engine.appset.generate import generate
from fleetui.engine.appset.generated import Generated, GeneratedApplication, Problem, RegisteredCluster

__all__ = ["Generated", "GeneratedApplication", "Problem", "RegisteredCluster", "generate"]
