"""What Sinch sends us: who proves to have sent it, and what it is."""
