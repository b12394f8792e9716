"""Programs are compiled once, and JAX is strict about types and ranks."""

from jax_settings import compile_once, strict_promotion  # noqa: F401 - fixtures of all tests here
