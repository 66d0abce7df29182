"""What customers send in: their files, found in callbacks, and put in the place of Sinch's links."""
