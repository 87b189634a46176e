"""Settings of every test, and the bakes that they share."""

from baked import bake, bake_into, cookiecutter_settings, project, template
from hypothesis import HealthCheck, settings

__all__ = ["bake", "bake_into", "cookiecutter_settings", "project", "template"]

# Machines are noisy: no test fails for the time that it takes.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
