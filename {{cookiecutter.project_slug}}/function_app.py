{% from "layout.jinja" import signature %}
import azure.functions as func

from connector import respond
from fetch import source

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.route(route="{{ cookiecutter.function_name }}", methods=["POST"])
{{ signature(cookiecutter.function_name, "req: func.HttpRequest", "func.HttpResponse") }}
    return respond(source, req)
