"""Making the annotation files of combined and converted data sets from the original ones."""
