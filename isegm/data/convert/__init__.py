"""Conversion of original annotation files to those that training and evaluation read."""
