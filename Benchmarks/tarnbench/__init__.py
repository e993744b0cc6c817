"""Tarn's benchmarks: see Benchmarks/run."""
