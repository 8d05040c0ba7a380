"""What the SQLite broker and the SQLite result backend share: the file, its transactions, and the door bells."""
