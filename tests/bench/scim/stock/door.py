"""Authentication of the stock portal: one token, compared and done; django-scim2 leaves it to its user."""

import os

from django.http import HttpResponse

TOKEN = os.environ.get("BENCH_TOKEN", "")


class _Somebody:
    is_authenticated = True


class Door:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return HttpResponse(status=401)
        request.user = _Somebody()
        return self.get_response(request)
