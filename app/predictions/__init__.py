"""Predictions: one image at once, volumes and video through the queue."""
