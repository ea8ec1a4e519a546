"""What people annotate: objects of an image with their masks, and the files that keep them."""

from isegm.annotations.objects import AnnotatedObject, Annotations
from isegm.annotations.region import Region

__all__ = ["AnnotatedObject", "Annotations", "Region"]
