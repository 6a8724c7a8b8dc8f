"""Temperature scaling: probabilities that can be taken at their word."""

from kerasft.evaluation.temperatures.fit_temperature import fit_temperature
from kerasft.evaluation.temperatures.temperature import Temperature

__all__ = ["Temperature", "fit_temperature"]
