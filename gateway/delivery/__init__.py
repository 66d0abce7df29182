"""Carries accepted events to Motion: `schedule` decides, `courier` acts."""
