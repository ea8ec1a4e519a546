"""What is measured: the time and the memory of clicks, evaluations and training, each kind in a file of its own.

The commands ``isegm benchmark``, ``benchmark-eval`` and ``measure-latency`` print what is found here. Only they import
this package.
"""
