"""What the computer draws: pictures and videos with known labels."""
