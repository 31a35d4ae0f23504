"""Computer-drawn pictures and videos with known labels."""
