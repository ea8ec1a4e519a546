"""Annotated objects of an image, their masks, and the file formats that annotation programs exchange."""

from isegm.annotations.objects import AnnotatedObject, Annotations
from isegm.annotations.region import Region

__all__ = ["AnnotatedObject", "Annotations", "Region"]
