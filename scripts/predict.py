"""Segment an object in an image from clicks.

    python scripts/predict.py --image photo.jpg --point 210,140,1 --point 60,200,0 --out mask.png

A point is x,y,label in pixels, label 1 on the object and 0 on the background. Writes the mask (0 and 255) and, beside
it, the image with mask and clicks drawn in (mask_overlay.png).
"""

from isegm.cli import main_of, start

if __name__ == "__main__":
    start("predict")

main = main_of("predict")
