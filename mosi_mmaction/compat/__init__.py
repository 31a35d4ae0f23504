"""Workarounds for current dependency versions, one function per issue."""
