"""Drawings: pure geometry, from documents of the services to shapes with coordinates; templates write them as SVG."""
