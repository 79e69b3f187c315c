"""Sweeps: every depth of one data set, measured."""
