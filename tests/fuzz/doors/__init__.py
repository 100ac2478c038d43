"""Doors by part of the package; importing them all fills the registry."""
