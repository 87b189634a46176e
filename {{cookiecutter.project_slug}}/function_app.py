from azure.functions import AuthLevel, FunctionApp, HttpRequest, HttpResponse

from connector import respond
from fetch import source

app = FunctionApp(http_auth_level=AuthLevel.FUNCTION)


@app.route(route="{{ cookiecutter.function_name }}", methods=["POST"])
def {{ cookiecutter.function_name }}(req: HttpRequest) -> HttpResponse:
    return respond(source, req)
