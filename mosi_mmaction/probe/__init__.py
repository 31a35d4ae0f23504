"""What does a video network know of motion? Clips, readouts, a card."""
