"""What a judge does: challenges, checks, the test, the verdict and its reasons."""
