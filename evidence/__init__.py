"""The domain: what evidence is and what may happen to it. No Flask, no HTTP."""
