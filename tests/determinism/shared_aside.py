"""A module that programs import while they run."""

COUNT = FIRST = 0
KEPT: list[int] = []
