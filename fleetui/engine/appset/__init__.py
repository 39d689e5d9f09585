"""ApplicationSets: the Applications that they make, as Argo CD 3.6 makes them (`applicationset/`)."""
