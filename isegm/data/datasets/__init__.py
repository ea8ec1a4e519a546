"""Readers of the published data sets and of folders of images and masks."""
