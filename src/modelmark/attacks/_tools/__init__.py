"""What attacks of several rooms share."""
