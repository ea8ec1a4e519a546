"""``python -m isegm``: the same as the command ``isegm``."""

from isegm.cli import main

if __name__ == "__main__":
    main()
