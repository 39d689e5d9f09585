"""The console: everything that is seen in a terminal, and nothing that is known about a cluster.

Owns: screens, widgets, keys, glyphs, colours. Called by `fleetui.cli` alone, through `screens.app.FleetApp`.
Never here: a network library, a decision about an application, text of a cluster as markup.
"""
