"""What people annotate: objects of a picture with their masks, and the files that keep them."""

from isegm.data.annotations.objects import AnnotatedObject, Annotations
from isegm.data.annotations.region import Region

__all__ = ["AnnotatedObject", "Annotations", "Region"]
