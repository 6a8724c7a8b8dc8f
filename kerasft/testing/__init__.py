"""Contract checks for your own heads, policies and callbacks: call one from a test of yours."""

from kerasft.testing.check_callback import check_callback
from kerasft.testing.check_head import check_head
from kerasft.testing.check_policy import check_policy

__all__ = ["check_callback", "check_head", "check_policy"]
