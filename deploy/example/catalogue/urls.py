from django.urls import path

from catalogue import views

app_name = "catalogue"
urlpatterns = [
    path("", views.book_list, name="list"),
    path("books/<int:pk>/", views.book_detail, name="detail"),
    path("books/<int:pk>/lend/", views.book_lend, name="lend"),
]
