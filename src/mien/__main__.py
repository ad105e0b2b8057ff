"""``python -m mien`` is the same as ``mien``."""

from mien.cli import main

if __name__ == "__main__":
    main()
