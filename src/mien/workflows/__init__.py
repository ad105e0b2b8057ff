"""Whole jobs as functions, between the command line and the parts that do the work."""
