"""Pieces of scripts that broker and result backend share."""
