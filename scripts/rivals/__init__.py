"""Other libraries' recurrent layers behind one interface, for `scripts/benchmark_engine.py`. No part of grux."""
