"""The demo's fleet: clusters, repositories and applications that tell a story in one minute.

Owns: the content. `fleet.DemoFleet` is the way in; called by ``fleetui demo`` and by tests. The engine that syncs the
applications is fleetui's own and is started elsewhere.
"""
