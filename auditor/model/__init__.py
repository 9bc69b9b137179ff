"""The values everything shares: frozen, compared by value, standard library only.

Layer 0. Nothing here reads a file, a clock or the environment, and nothing here imports another
part of `auditor`. What a command prints is a function of these values.
"""
