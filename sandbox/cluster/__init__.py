"""A gateway of several machines, played on one: its programs, their deaths, and what became of each callback."""
