"""Exercise checks for learners."""
