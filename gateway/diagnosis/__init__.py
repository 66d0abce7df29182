"""What the gateway can say about itself."""
