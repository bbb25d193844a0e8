"""Merges proved on the merge itself, over the lattice of branches and their orders of arrival."""
