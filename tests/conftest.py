"""Settings of every test."""

from hypothesis import HealthCheck, settings

# Machines are noisy: no test fails for the time that it takes.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
