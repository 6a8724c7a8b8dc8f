"""Where files come from: local paths and package indexes, with digests and a cache."""

from kerasft.sources.home import home
from kerasft.sources.locate import locate
from kerasft.sources.model_file import check_model_file
from kerasft.sources.package_address import PackageAddress

__all__ = ["PackageAddress", "check_model_file", "home", "locate"]
