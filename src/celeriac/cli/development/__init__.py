"""Several programs in one terminal, under one Ctrl-C: what ``celeriac dev`` is made of."""
