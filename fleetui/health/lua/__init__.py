"""Argo CD's Lua: scripts for health and actions, and the sandbox that they run in."""
