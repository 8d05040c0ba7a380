"""The addresses of the letters."""

from django.urls import path

from letters import views

app_name = "letters"
urlpatterns = [
    path("", views.index, name="index"),
    path("send/request/", views.send_in_request, name="send_in_request"),
    path("send/background/", views.send_in_background, name="send_in_background"),
    path("letters/<int:letter_id>/", views.letter, name="letter"),
]
