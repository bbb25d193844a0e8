"""`python -m lift_sys` is the command `lift`."""

from lift_sys.cli import main

if __name__ == "__main__":
    main()
