"""The portal's own transports: messages in files with many writers, and a Redis connection that is closed."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from queue import Empty
from typing import Any

import kombu.transport.filesystem
import kombu.transport.redis
import pytest
from kombu import Connection, Exchange, Queue
from redis.exceptions import ConnectionError as RedisConnectionError

import config.broker.files
import config.broker.redis
from directories.models import Directory
from provisioning.models import User
from tests.fixtures.directories import AppsDb
from tests.fixtures.portal import Portal
from tests.fixtures.waiting import wait_until
from tests.servers import Server

WRITERS, MESSAGES = 20, 100


def connect(folder: Path) -> Any:
    options = {
        "data_folder_in": str(folder),
        "data_folder_out": str(folder),
        "control_folder": str(folder / "control"),
        "polling_interval": 0.001,
    }
    (folder / "control").mkdir(exist_ok=True)
    config.broker.files.FileTransport.global_state.clear()  # what this process did in another folder
    return Connection("filesystem://", transport_options=options)


def write(folder: Path, writer: int) -> None:
    """Send this writer's messages, and lead a queue of its own to an exchange that all of them use."""
    with connect(folder) as connection:
        Queue(f"of-{writer}", Exchange("shared"), routing_key=str(writer), channel=connection.default_channel).declare()
        with connection.SimpleQueue("work") as queue:
            for number in range(MESSAGES):
                queue.put([writer, number])


@pytest.mark.heavy
def test_a_reader_gets_every_message_of_many_writers_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write, args=(tmp_path, writer)) for writer in range(WRITERS)]
    for writer in writers:
        writer.start()
    got: list[list[int]] = []
    with connect(tmp_path) as connection, connection.SimpleQueue("work") as queue:
        while len(got) < WRITERS * MESSAGES:
            message = queue.get(timeout=30)
            got.append(message.payload)
            message.ack()
        with pytest.raises(Empty):
            queue.get(block=False)
        assert len(connection.default_channel.get_table("shared")) == WRITERS
    for writer in writers:
        writer.join()
    assert sorted(got) == [[writer, number] for writer in range(WRITERS) for number in range(MESSAGES)]
    assert [path.name for path in tmp_path.iterdir()] == ["control"]
    assert sorted(path.suffix for path in (tmp_path / "control").iterdir()) == ["", ".exchange", ".exchange"]


@pytest.mark.parametrize(
    "content",
    [b"", b'{"body": "W10=", "pro', b"\xff\xfe", b"[]", b"{}"],
    ids=["empty", "half", "bytes", "list", "bare"],
)
def test_what_is_no_message_is_put_aside(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "0000_0.work.msg").write_bytes(content)
    with connect(tmp_path) as connection, connection.SimpleQueue("work") as queue:
        queue.put("next")
        assert queue.get(timeout=5).payload == "next"
    assert (tmp_path / "0000_0.work.msg.unreadable").read_bytes() == content
    assert "put" in caplog.text
    assert "aside" in caplog.text


def test_the_file_of_an_exchange_that_cannot_be_read_is_written_anew(tmp_path: Path) -> None:
    with connect(tmp_path) as connection:
        (tmp_path / "control" / "work.exchange").write_bytes(b"")
        with connection.SimpleQueue("work") as queue:
            queue.put("first")
            assert queue.get(timeout=5).payload == "first"


def test_the_worker_outlives_a_file_that_is_no_message(
    portal: Portal, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    make_directory(pg_appsdb, create_users=True)
    (portal.queue / "0000_0.celery.msg").touch()
    User.objects.create_user("ada")
    portal.worker("--pool=threads")
    wait_until(lambda: "ada" in pg_appsdb.people(), words="the delivery")
    assert "which is no message" in portal.logs()


def test_kombu_s_own_transport_still_needs_ours(redis_server: Server) -> None:
    """When a closed connection of kombu's own raises no AttributeError any more, drop ``config.broker.redis``."""

    def closed(transport: type) -> Any:
        connection = Connection(redis_server.url, transport=transport)
        channel = connection.default_channel
        connection.transport.client = None
        return channel

    with pytest.raises(AttributeError):
        closed(kombu.transport.redis.Transport)._connparams()
    with pytest.raises(RedisConnectionError) as caught:
        closed(config.broker.redis.RedisTransport)._connparams()
    assert isinstance(caught.value, kombu.transport.redis.Transport.connection_errors)


@pytest.mark.parametrize(
    ("address", "transport"),
    [
        ("redis://127.0.0.1", config.broker.redis.RedisTransport),
        ("rediss://127.0.0.1", config.broker.redis.RedisTransport),
        ("filesystem://localhost", config.broker.files.FileTransport),
    ],
)
def test_addresses_lead_to_our_transports(address: str, transport: type) -> None:
    assert type(Connection(address).transport) is transport
