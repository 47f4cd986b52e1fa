"""gunicorn's settings as the product has them, without what belongs to the product's database."""

from config.gunicorn import *  # noqa: F403
from config.gunicorn import calm_the_collector


def post_worker_init(worker: object) -> None:
    """Do for other services what speeds up the product."""
    calm_the_collector()
