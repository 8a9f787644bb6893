"""The addresses of the desk, all below its token; what is dropped is taken here and read in a process of its own."""

import time
from typing import Any

import anyio.to_thread
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from modelmark.desk import pages
from modelmark.desk.dropped import Body, TooLargeError, take
from modelmark.desk.forms import FORMS
from modelmark.desk.tasks import Task, Tasks
from modelmark.errors import ModelmarkError

_AWAY = 4
"""Times the limit that a request which is too large is read on and thrown away, so that a browser comes to see the answer."""


def app(tasks: Tasks, most: int) -> Starlette:
    """Return the application; ``gate.Gate`` must stand before it.

    Args:
        tasks: of this desk.
        most: bytes that may be dropped at a time.
    """
    desk = _Desk(tasks, most)
    return Starlette(
        routes=[
            Route("/", desk.home, methods=["GET"]),
            Route("/style.css", desk.style, methods=["GET"]),
            Route("/task/{name}", desk.task, methods=["GET"]),
            Route("/task/{name}/page", desk.page, methods=["GET"]),
            Route("/task/{name}/forget", desk.forget, methods=["POST"]),
            Route("/{form}", desk.form, methods=["GET"]),
            Route("/{form}", desk.drop, methods=["POST"]),
        ],
        exception_handlers={404: _absent, 405: _absent},
    )


class _Desk:
    def __init__(self, tasks: Tasks, most: int) -> None:
        self._tasks, self._most = tasks, most

    async def home(self, request: Request) -> Response:
        return _shown(request, "home.html.j2", "The desk", tasks=self._tasks.all)

    async def style(self, request: Request) -> Response:
        return Response(pages.css(), media_type="text/css")

    async def form(self, request: Request) -> Response:
        form = FORMS.get(request.path_params["form"])
        if form is None:
            return await _absent(request, None)
        return _shown(request, "form.html.j2", form.title, form=form, most=f"{self._most / 2**30:g}")

    async def drop(self, request: Request) -> Response:
        form = FORMS.get(request.path_params["form"])
        if form is None:
            return await _absent(request, None)
        body = Body(request.receive, self._most)
        try:
            with self._tasks.folder() as folder:
                given = await take(request.scope, body, form, folder)
                task = await anyio.to_thread.run_sync(self._tasks.begin, form.name, given, folder)
        except ClientDisconnect:
            return Response(status_code=400)
        except ModelmarkError as error:
            await body.throw_away(_AWAY * self._most)
            status = 413 if isinstance(error, TooLargeError) else 429 if "at a time" in str(error) else 400
            return _refused(request, status, str(error), error.hint, form.name)
        return RedirectResponse(f"{_base(request)}/task/{task.name}", status_code=303)

    async def task(self, request: Request) -> Response:
        task = self._found(request)
        if task is None:
            return await _absent(request, None)
        if task.state == "refused":
            return _refused(request, 200, task.error, task.hint, task.form.name)
        if task.state == "done":
            assert task.result is not None
            return _shown(request, "result.html.j2", task.title, task=task, part=Markup(task.result["part"]))
        seconds = int(time.monotonic() - task.began)
        return _shown(request, "working.html.j2", task.form.title, task=task, seconds=seconds)

    async def page(self, request: Request) -> Response:
        task = self._found(request)
        if task is None or task.result is None:
            return await _absent(request, None)
        page = await anyio.to_thread.run_sync(task.page)
        policy = f"default-src 'none'; style-src 'sha256-{pages.style_digest(page)}'; base-uri 'none'; sandbox"
        return HTMLResponse(page, headers={"content-security-policy": policy})

    async def forget(self, request: Request) -> Response:
        task = self._found(request)
        if task is None:
            return await _absent(request, None)
        self._tasks.forget(task)
        return RedirectResponse(f"{_base(request)}/", status_code=303)

    def _found(self, request: Request) -> Task | None:
        return self._tasks.get(request.path_params["name"])


def _base(request: Request) -> str:
    return str(request.scope["root_path"])


def _shown(request: Request, template: str, title: str, status: int = 200, **words: Any) -> Response:
    here = request.path_params.get("form", "" if template == "home.html.j2" else "-")
    html = pages.rendered(template, base=_base(request), title=title, forms=FORMS, here=here, **words)
    return HTMLResponse(html, status_code=status)


def _refused(request: Request, status: int, error: str, hint: str, form: str) -> Response:
    return _shown(request, "refused.html.j2", "It was refused", status, error=error, hint=hint, back=form)


async def _absent(request: Request, _: Any) -> Response:
    return _refused(
        request, 404, "expected a page of the desk, there is none here", "results are kept until the desk ends", ""
    )
