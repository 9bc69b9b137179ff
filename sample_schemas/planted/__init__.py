"""Defects in handling database errors, each with a twin that does it right."""
