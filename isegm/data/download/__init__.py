"""Sources of the data sets, an inventory of those on disk, and downloads of the others."""
