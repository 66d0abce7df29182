"""The edge: nginx's configuration, rendered from the settings."""
