"""Graphs: discovered from return annotations, checked before they run, walked by data flow."""
