"""The field's measures, each tested against arithmetic done by hand."""
