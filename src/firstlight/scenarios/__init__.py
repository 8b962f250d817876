"""Scenarios with a yes/no outcome: few labelled rows each, a calibrated probability for the next row."""
