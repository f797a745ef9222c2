"""Drives the official Python SDK through a plan, and prints what the client saw, one JSON object a line.

    python python_client.py '{"url": "http://127.0.0.1:8000/mcp", "mode": "session", "steps": [{"list": "tools"}]}'

plan.mjs says what a plan is, and what is printed.
"""

import asyncio
import hashlib
import json
import sys
import time
import urllib.request

import mcp_types as types
from mcp import Client, MCPError
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

import dpop
import spans

spans.export("client")

KINDS = ("list", "call", "prompt", "read")


def say(**line):
    print(json.dumps(line), flush=True)


def shown(error):
    """An error as a program that uses the SDK sees it."""
    # Inside `async with` the SDK wraps what its tasks raise in groups.
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, MCPError):
        return {"type": type(error).__name__, "code": error.code, "message": error.message, "data": error.data}
    return {"type": type(error).__name__, "message": str(error)}


def texts(blocks):
    """The text of some blocks; a long one as its length in bytes and its hash."""
    text = "\n".join(getattr(block, "text", "") for block in blocks)
    raw = text.encode()
    return text if len(raw) <= 4096 else {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}


def post(url):
    with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=10):
        pass


class Run:
    def __init__(self, plan):
        self.plan = plan
        self.asked = []

    async def sample(self, _context, params):
        self.asked.append("sampling")
        question = params.messages[-1].content
        question = question[0] if isinstance(question, list) else question
        text = f"sampled: {getattr(question, 'text', '')}"
        return types.CreateMessageResult(
            role="assistant", model="test-model", content=types.TextContent(type="text", text=text)
        )

    async def elicit(self, _context, _params):
        self.asked.append("elicitation")
        return types.ElicitResult(action="accept", content=self.plan.get("answers", {}))

    async def all_pages(self, client, what):
        """What a list offers by name, on all its pages."""
        ask, entries, name = {
            "tools": (client.list_tools, "tools", "name"),
            "prompts": (client.list_prompts, "prompts", "name"),
            "resources": (client.list_resources, "resources", "uri"),
            "templates": (client.list_resource_templates, "resource_templates", "uri_template"),
        }[what]
        names, cursor = [], None
        while True:
            page = await ask(cursor=cursor)
            names += [str(getattr(entry, name)) for entry in getattr(page, entries)]
            if not (cursor := page.next_cursor):
                return names

    async def step(self, client, step):
        if "list" in step:
            return {step["list"]: await self.all_pages(client, step["list"])}
        if "prompt" in step:
            prompt = await client.get_prompt(step["prompt"], step.get("arguments") or {})
            return {"text": texts([message.content for message in prompt.messages])}
        if "read" in step:
            return {"text": texts((await client.read_resource(step["read"])).contents)}
        progress = []
        begin = time.monotonic()

        def at_ms():
            return (time.monotonic() - begin) * 1000

        async def on_progress(value, _total, _message):
            progress.append({"value": value, "at_ms": at_ms()})
            if "seen" in step:
                await asyncio.to_thread(post, f"{step['seen']}/{value:g}")

        result = await client.call_tool(step["call"], step.get("arguments") or {}, progress_callback=on_progress)
        seen = {"is_error": bool(result.is_error), "text": texts(result.content), "progress": progress}
        return seen | {"at_ms": at_ms()}

    def server(self):
        """Where to; a plan with `dpop` (`{"token", "key"}`) has a token that is bound to a key."""
        if "dpop" not in self.plan:
            return self.plan["url"]
        auth = dpop.Bound(**self.plan["dpop"])
        return streamable_http_client(self.plan["url"], http_client=create_mcp_http_client(auth=auth))

    async def run(self):
        client = Client(
            self.server(),
            mode="2026-07-28" if self.plan["mode"] == "stateless" else "legacy",
            sampling_callback=self.sample,
            elicitation_callback=self.elicit,
            read_timeout_seconds=30,
        )
        async with client:
            say(step="connect", revision=client.protocol_version)
            for step in self.plan["steps"]:
                self.asked = []
                kind = next(kind for kind in KINDS if kind in step)
                try:
                    say(step=kind, name=step[kind], seen=await self.step(client, step), asked=self.asked)
                except Exception as error:
                    say(step=kind, name=step[kind], error=shown(error), asked=self.asked)


try:
    asyncio.run(Run(json.loads(sys.argv[1])).run())
    say(step="end")
except Exception as error:
    say(step="end", error=shown(error))
