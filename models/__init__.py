"""The science: it runs from a terminal with no web, no queue and no database."""
