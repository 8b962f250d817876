"""The functional core of meta-learning: episodes, losses, inner and outer loop. Weights in, weights out."""
