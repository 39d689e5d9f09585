"""The console: widgets alone, screens in front of a scripted fleet, the whole app in a pseudo terminal."""
