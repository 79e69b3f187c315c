"""How plausible a place is as an embolus: two forests of small trees, and how they are fitted."""
