"""What experiment scripts share."""
