"""Motion as the gateway calls it."""
