"""The paper: blind-spot network, APR, RD. Pure torch; imports nothing else of this package."""
