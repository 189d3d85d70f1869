"""Sections of the page, each a function of the study."""
