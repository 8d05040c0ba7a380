"""Result backends: they keep results, states and errors. The port is ``base``; the others are engines."""
