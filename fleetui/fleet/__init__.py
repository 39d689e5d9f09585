"""The live picture of the fleet: store, trees, change sets, the action dispatcher, audit."""
