"""Where data sets come from, what is on disk, and fetching what is missing."""
