"""Serving: the event that came in a moment ago changes the next list."""
