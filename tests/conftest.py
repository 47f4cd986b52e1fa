"""The fixtures of every test; each module of ``tests/fixtures`` says what it offers."""

pytest_plugins = [
    "tests.fixtures.databases",
    "tests.fixtures.directories",
    "tests.fixtures.browser",
    "tests.fixtures.portal",
]
