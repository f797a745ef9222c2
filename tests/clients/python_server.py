"""An MCP server on the official Python SDK that uses every feature a proxy could break.

It takes a free port of the loopback interface and prints it as {"port": NUMBER} in its first line. It speaks both
2025-11-25 (sessions) and 2026-07-28 (stateless) on /mcp. Beside that, for the tests alone:

    GET  /calls             the names of the tools that ran since the start, a JSON array
    GET  /asked             what came of the questions of `get_answers`, a JSON array of {method, outcome, ms}
    POST /seen/KEY/VALUE    a client has seen this progress notification of the call `get_progress(key=KEY)`
"""

import asyncio
import json
import socket
import time
from collections import defaultdict
from typing import Annotated

import mcp_types as types
import uvicorn
from mcp import MCPError
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Elicit, Resolve, Sample
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

import spans

spans.export("server")

server = MCPServer("meshward-test-server")
calls = []
asked = []
seen = defaultdict(asyncio.Event)


class Name(BaseModel):
    name: str


def ask_model():
    question = types.TextContent(type="text", text="what is the capital of France?")
    return Sample([types.SamplingMessage(role="user", content=question)], max_tokens=10)


def ask_user():
    return Elicit("What is your name?", Name)


@server.tool()
def get_small(text: str) -> str:
    calls.append("get_small")
    return f"small: {text}"


@server.tool(structured_output=False)
def get_large(lines: int) -> str:
    """Lines of 30 bytes, with what JSON has to escape and with letters of several bytes."""
    calls.append("get_large")
    return "".join(f'{number:06} "quoted" \\ ü € 𝄞\n' for number in range(lines))


@server.tool()
async def get_progress(key: str, context: Context) -> str:
    """Sends each notification only when the client has seen the one before."""
    calls.append("get_progress")
    for value in (1, 2, 3):
        await context.report_progress(value, 3, f"step {value}")
        async with asyncio.timeout(10):
            await seen[key, value].wait()
    return "all were seen in time"


@server.tool()
def get_sampled(answer: Annotated[types.CreateMessageResult, Resolve(ask_model)]) -> str:
    calls.append("get_sampled")
    return f"the model says {answer.content.text}"


@server.tool()
def get_elicited(answer: Annotated[Name, Resolve(ask_user)]) -> str:
    calls.append("get_elicited")
    return f"the user is {answer.name}"


@server.tool()
async def get_answers(context: Context) -> str:
    """Asks for sampling and elicitation on the stream of the call (sessions only), and says what came of it."""
    calls.append("get_answers")
    question = types.TextContent(type="text", text="why?")
    messages = [types.SamplingMessage(role="user", content=question)]
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    request = context.request_id
    outcomes = []
    for method, ask in (
        ("sampling/createMessage", context.session.create_message(messages, max_tokens=10, related_request_id=request)),
        ("elicitation/create", context.session.elicit("name?", schema, related_request_id=request)),
    ):
        begin = time.monotonic()
        try:
            async with asyncio.timeout(10):
                await ask
            outcome = "answered"
        except MCPError as error:
            outcome = f"error {error.code}"
        except TimeoutError:
            outcome = "no answer"
        outcomes.append({"method": method, "outcome": outcome, "ms": (time.monotonic() - begin) * 1000})
    asked.extend(outcomes)
    return ", ".join(f"{one['method']}: {one['outcome']}" for one in outcomes)


@server.tool()
async def ask_aside(context: Context) -> str:
    """Asks for sampling on the stream that a GET of the client's has opened (sessions only)."""
    calls.append("ask_aside")
    question = types.TextContent(type="text", text="are you there?")
    messages = [types.SamplingMessage(role="user", content=question)]
    for _ in range(10):
        try:
            async with asyncio.timeout(2):
                answer = await context.session.create_message(messages, max_tokens=10)
            return f"the model says {answer.content.text}"
        except TimeoutError:
            # The client has not opened it yet, and what was asked is lost.
            pass
    return "no stream"


@server.tool()
def delete_repo(name: str) -> str:
    calls.append("delete_repo")
    return f"{name} is gone"


@server.prompt()
def greeting(name: str) -> str:
    return f"Say hello to {name}."


@server.resource("memo://welcome")
def welcome() -> str:
    return "welcome ü"


@server.custom_route("/calls", methods=["GET"])
async def show_calls(_request):
    return JSONResponse(calls)


@server.custom_route("/asked", methods=["GET"])
async def show_asked(_request):
    return JSONResponse(asked)


@server.custom_route("/seen/{key}/{value:int}", methods=["POST"])
async def was_seen(request):
    seen[request.path_params["key"], request.path_params["value"]].set()
    return Response(status_code=204)


listener = socket.create_server(("127.0.0.1", 0))
print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
app = server.streamable_http_app()
uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
