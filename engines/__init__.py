"""Learning strategies, models and documents: plain Python and torch, no screen."""
