"""A cloud that answers as Google documents it: compute v1 and OS Login, held to their published descriptions."""
