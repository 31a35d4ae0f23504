"""What does a video network know about motion? Clips, readouts, a card."""
