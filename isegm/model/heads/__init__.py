"""Segmentation heads above the backbones."""
