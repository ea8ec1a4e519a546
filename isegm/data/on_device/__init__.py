"""Training samples made on the device that trains, for whole batches at once."""
