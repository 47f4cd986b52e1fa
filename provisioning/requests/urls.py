"""The addresses under /my/."""

from django.urls import path

from provisioning.requests.pages import access, approvals, asked, products, team

app_name = "my"

urlpatterns = [
    path("", access.home, name="home"),
    path("access/<int:pk>/return/", access.give_back, name="return"),
    path("catalogue/", products.catalogue_page, name="catalogue"),
    path("catalogue/<int:pk>/", products.product, name="product"),
    path("catalogue/<int:pk>/picture/", products.picture, name="picture"),
    path("requests/", asked.requests, name="requests"),
    path("requests/<int:pk>/", asked.request, name="request"),
    path("requests/<int:pk>/withdraw/", asked.withdraw, name="withdraw"),
    path("approvals/", approvals.approvals, name="approvals"),
    path("approvals/substitutes/", approvals.substitutes, name="substitutes"),
    path("approvals/<int:pk>/", approvals.approval, name="approval"),
    path("decide/<str:token>/", approvals.decide_link, name="decide"),
    path("team/", team.team, name="team"),
]
