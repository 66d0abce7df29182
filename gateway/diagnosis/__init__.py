"""The office: what the gateway says about itself, at the ops door and by commands."""
