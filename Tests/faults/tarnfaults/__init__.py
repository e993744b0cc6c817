"""The reliability scoreboard: faults that are done to Tarn, and what must hold."""
