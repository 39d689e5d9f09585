"""What runs in the containers of an embedded cluster: nothing real.

`container` is what a container is, `logs` what it has written, `shell` with `words` and `commands` what can be run in
it, `terminal` how that looks at a terminal, `ports` what answers on its ports. No program of this machine is ever
started, no file of it read, and no HTTP is here: `backends.embedded.podstreams` connects clients.
"""
