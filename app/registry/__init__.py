"""Models and deployments: what a sweep found, and what answers."""
