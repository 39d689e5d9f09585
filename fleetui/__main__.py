"""``python -m fleetui``."""

from fleetui.cli import main

main()
