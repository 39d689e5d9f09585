"""Rollouts of addons over a fleet, wave by wave, with gates: the pure state machine and the runner around it."""
