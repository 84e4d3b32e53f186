"""``holdfast demo``: the whole loop on real flights, told and checked stage by stage."""
