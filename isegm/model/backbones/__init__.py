"""Backbones, with the parameter names of published weights."""
