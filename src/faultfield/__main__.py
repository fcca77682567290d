"""`python -m faultfield` is the `faultfield` command."""

from faultfield.cli import main

if __name__ == "__main__":
    main()
