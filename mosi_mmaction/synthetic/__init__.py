"""What the computer draws: images and labelled videos."""
