"""An MCP server on the official Python SDK whose lists come in pages of two, for both 2025-11-25 and 2026-07-28 on /mcp.

    python paged_server.py json|events    how a session is answered: with JSON or with server-sent events

It takes a free port of the loopback interface and prints it as {"port": NUMBER} in its first line. GET /calls shows what
was asked for since the start, a JSON array: tools by their names, and pages as `tools/list 2`.
"""

import json
import socket
import sys

import mcp_types as types
import uvicorn
from mcp.server.lowlevel import Server
from starlette.responses import JSONResponse
from starlette.routing import Route

NAMES = ["a", "secret_b", "secret_c", "secret_d", "e", "f", "secret_g"]
PAGE = 2
calls = []


def page(method, params):
    """Which names are on the page that is asked for, and the cursor of the next."""
    start = int(params.cursor) if params and params.cursor else 0
    calls.append(f"{method} {start}")
    behind = start + PAGE
    return NAMES[start:behind], str(behind) if behind < len(NAMES) else None


async def tools(_context, params):
    names, cursor = page("tools/list", params)
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    return types.ListToolsResult(tools=[types.Tool(name=name, input_schema=schema) for name in names], next_cursor=cursor)


async def prompts(_context, params):
    names, cursor = page("prompts/list", params)
    return types.ListPromptsResult(prompts=[types.Prompt(name=name) for name in names], next_cursor=cursor)


async def resources(_context, params):
    names, cursor = page("resources/list", params)
    listed = [types.Resource(uri=f"memo://{name}/", name=name) for name in names]
    return types.ListResourcesResult(resources=listed, next_cursor=cursor)


async def templates(_context, params):
    names, cursor = page("resources/templates/list", params)
    listed = [types.ResourceTemplate(uri_template=f"memo://{name}/{{part}}", name=name) for name in names]
    return types.ListResourceTemplatesResult(resource_templates=listed, next_cursor=cursor)


async def call(_context, params):
    calls.append(params.name)
    return types.CallToolResult(content=[types.TextContent(type="text", text=f"{params.name} was called")])


async def show_calls(_request):
    return JSONResponse(calls)


server = Server(
    "meshward-paged-server",
    on_list_tools=tools,
    on_list_prompts=prompts,
    on_list_resources=resources,
    on_list_resource_templates=templates,
    on_call_tool=call,
)
app = server.streamable_http_app(
    json_response=sys.argv[1:] == ["json"], custom_starlette_routes=[Route("/calls", show_calls, methods=["GET"])]
)
listener = socket.create_server(("127.0.0.1", 0))
print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
