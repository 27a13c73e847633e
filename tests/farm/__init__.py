"""The domain, over the real store and scripted machines."""
